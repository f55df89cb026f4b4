"""Writes the sheets of grids whose jobs are over."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

from sdtui.core.errors import SdtuiError
from sdtui.jobs.job import Job
from sdtui.jobs.sheet_store import SheetStore
from sdtui.requests.events import Event, Notice, SheetSaved

_log = logging.getLogger(__name__)
_REMEMBERED = 200
"""Grids whose sheets are remembered."""


class GridSheets:
    """The sheets of a queue's grids. Each grid has a thread of its own while its sheets are
    written, since large ones take seconds. Thread-safe."""

    def __init__(self, store: SheetStore, report: Callable[[str, Event], None]) -> None:
        """`report` is called with the id of a grid and an event, on another thread."""
        self._store = store
        self._report = report
        self._changed = threading.Condition()
        self._pictures: dict[str, list[Path]] = {}
        """Those of grids that aren't over."""
        self._threads: dict[str, threading.Thread] = {}
        self._written: dict[str, tuple[str, ...]] = {}
        """Paths of the sheets by grid."""

    def job_ended(self, job: Job, *, is_last: bool) -> None:
        """Take note of a job's picture; write the sheets if it is the last job of its grid."""
        if job.grid is None:
            return
        grid_id = job.grid.grid.id
        with self._changed:
            pictures = self._pictures.setdefault(grid_id, [])
            pictures += map(Path, job.pictures)
            if not is_last:
                return
            del self._pictures[grid_id]
            arguments = (grid_id, pictures, job.output.folder)
            thread = threading.Thread(
                target=self._write, args=arguments, name="sdtui-sheet", daemon=True
            )
            self._threads[grid_id] = thread
        thread.start()

    def _write(self, grid_id: str, pictures: Iterable[Path], folder: Path | None) -> None:
        paths: tuple[str, ...] = ()
        notices: dict[str, None] = {}
        try:
            saved = self._store.save_sheets(grid_id, pictures, folder)
            paths = tuple(str(each.path) for each in saved)
            notices = dict.fromkeys(text for each in saved for text in each.record.notices)
        except (SdtuiError, MemoryError) as error:
            _log.warning("the sheet of grid %s isn't saved: %s", grid_id, error)
            self._report(grid_id, Notice(message=f"The sheet of the grid isn't saved: {error}"))
        finally:
            with self._changed:
                del self._threads[grid_id]
                self._written[grid_id] = paths
                for old in list(self._written)[:-_REMEMBERED]:
                    del self._written[old]
                self._changed.notify_all()
        for path in paths:
            self._report(grid_id, SheetSaved(path=path))
        for notice in notices:
            self._report(grid_id, Notice(message=notice))

    def wait(self, grid_id: str, timeout: float | None) -> tuple[str, ...]:
        """Wait at most `timeout` seconds until the sheets of a grid are written; return their
        paths, none if there are none."""
        with self._changed:
            self._changed.wait_for(lambda: grid_id in self._written, timeout)
            return self._written.get(grid_id, ())

    def close(self, timeout: float) -> None:
        """Wait at most `timeout` seconds for the sheets that are being written."""
        with self._changed:
            self._changed.wait_for(lambda: not self._threads, timeout)
