"""A captioner's process behind the app: one device has one owner, so the queue waits meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sdtui.core.errors import SdtuiError, TrainingError
from sdtui.requests.training.captioning import CaptionEvent, CaptioningFailed

if TYPE_CHECKING:
    from sdtui.core.settings import Settings
    from sdtui.jobs import Backend
    from sdtui.jobs.caption_process import CaptionProcess


class CaptionerRun:
    """Captions of some pictures, written by the captioner of the settings. The last event says how
    it ended."""

    def __init__(
        self,
        settings: Settings,
        backend: Backend | None,
        pictures: Sequence[Path],
        report: Callable[[CaptionEvent], object],
        *,
        overwrite: bool,
    ) -> None:
        """`report` is called on another thread. `backend` is that of the app, if there is one."""
        self._settings = settings
        self._backend = backend
        self._pictures = pictures
        self._report = report
        self._overwrite = overwrite
        self._process: CaptionProcess | None = None
        self._is_stopped = False
        threading.Thread(target=self._run, name="sdtui-captioner", daemon=True).start()

    def stop(self) -> None:
        """Let it end; captions that are written stay."""
        self._is_stopped = True
        if self._process is not None:
            self._process.stop()

    def _run(self) -> None:
        try:
            with _device(self._backend):
                self._pass_on_events()
        except (SdtuiError, OSError) as error:
            kind = type(error).__name__
            self._report(CaptioningFailed(error=str(error), error_type=kind))

    def _pass_on_events(self) -> None:
        from sdtui.jobs.caption_process import CaptionProcess, caption_request

        request = caption_request(self._settings, "", self._pictures, overwrite=self._overwrite)
        self._process = process = CaptionProcess(request)
        if self._is_stopped:
            process.stop()
        while (event := process.next_event()) is not None:
            self._report(event)


@contextmanager
def _device(backend: Backend | None) -> Iterator[None]:
    """Keep the queue from the device of this machine. Raises TrainingError if it works."""
    if backend is None or not _is_here(backend):
        yield
        return
    jobs = backend.jobs
    was_paused = jobs.is_paused
    jobs.pause()
    try:
        if any(worker.job or worker.training for worker in jobs.workers):
            raise TrainingError("the device is busy", "Let a model write captions when it is idle")
        jobs.unload()
        yield
    finally:
        if not was_paused:
            jobs.resume()


def _is_here(backend: Backend) -> bool:
    connection = backend.connection
    return connection is None or connection.shares_files
