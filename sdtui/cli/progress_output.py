"""A job's progress on stderr: a progress bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Self

import click

from sdtui.core.text import one_line
from sdtui.jobs.event_text import event_text, steps_text
from sdtui.requests.events import JobEvent

if TYPE_CHECKING:
    from rich.progress import Progress

    from sdtui.jobs import Job

_LINE_SECONDS = 5.0
"""Minimum seconds between two plain lines about steps or bytes."""

_SILENT = {"stage", "failed"}
"""Stages are implied by steps, and the command itself reports failures."""


class ProgressOutput:
    """Subscribe its `put` to a queue inside its `with` block."""

    def __init__(self, *, quiet: bool, bar: bool, silent: Collection[str] = ()) -> None:
        """`bar` = whether stderr is a terminal that supports a bar; `silent` are kinds of events
        that aren't shown."""
        self._silent = {*_SILENT, *silent}
        self._quiet = quiet
        self._bar: Progress | None = _make_bar() if bar and not quiet else None
        self._task = self._bar.add_task("", total=None) if self._bar else None
        self._last_line = 0.0

    def __enter__(self) -> Self:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(
        self,
        _: type[BaseException] | None,
        __: BaseException | None,
        ___: TracebackType | None,
    ) -> None:
        if self._bar:
            self._bar.stop()

    def put(self, envelope: JobEvent) -> None:
        """Show one event."""
        event = envelope.event
        if self._quiet or event.kind in self._silent:
            return
        found = event_text(event)
        if event.kind == "step":
            self.advance(steps_text(event), event.step, event.total)
        elif event.kind == "downloading":
            self.advance(found.text if found else "", event.done, event.total)
        elif event.kind == "tile":
            self.advance(found.text if found else "", event.tile, event.total)
        elif found:
            self.say(found.text)

    def advance(self, text: str, done: int, total: int) -> None:
        """Show progress; `total` 0 = unknown."""
        if self._quiet:
            return
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, description=text, completed=done, total=total or None)
        elif (done == total > 0) or time.monotonic() - self._last_line >= _LINE_SECONDS:
            self._last_line = time.monotonic()
            self.say(text)

    def say(self, line: str) -> None:
        """Show a line."""
        if self._quiet:
            return
        safe = one_line(line)
        if self._bar is not None:
            self._bar.console.print(safe, markup=False, highlight=False, soft_wrap=True)
        else:
            click.echo(safe, err=True)


class OwnEvents:
    """Passes on the events of a command's own jobs. A queue may have those of others too."""

    def __init__(self, put: Callable[[JobEvent], object]) -> None:
        self._put = put
        self._ids: frozenset[str] | None = None
        self._early: list[JobEvent] = []
        """What came before the jobs were known."""
        self._lock = threading.Lock()

    def put(self, envelope: JobEvent) -> None:
        """Pass on an event. Called on any thread."""
        with self._lock:
            if self._ids is None:
                self._early.append(envelope)
            elif envelope.job in self._ids:
                self._put(envelope)

    def know(self, jobs: Iterable[Job]) -> None:
        """Pass on the events of these jobs and of their grids, earlier ones first."""
        known = list(jobs)
        grids = (job.grid.grid.id for job in known if job.grid is not None)
        with self._lock:
            self._ids = frozenset([*(job.id for job in known), *grids])
            for envelope in self._early:
                if envelope.job in self._ids:
                    self._put(envelope)
            self._early.clear()


def _make_bar() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    return Progress(
        BarColumn(bar_width=30),
        TextColumn("{task.description}", markup=False),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
    )
