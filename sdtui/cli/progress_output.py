"""Telling on stderr how a job goes: a progress bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

import click

from sdtui.core.text import one_line
from sdtui.jobs.event_text import event_text
from sdtui.requests.events import JobEvent

if TYPE_CHECKING:
    from rich.progress import Progress

_EVERY = 5.0
"""Seconds between two plain lines about steps or bytes."""


class ProgressOutput:
    """Subscribe its `tell` to a queue, inside its `with`."""

    def __init__(self, *, quiet: bool, bar: bool) -> None:
        """`bar` = whether stderr is a terminal that a bar can be drawn on."""
        self._quiet = quiet
        self._bar: Progress | None = _make_bar() if bar and not quiet else None
        self._task = self._bar.add_task("", total=None) if self._bar else None
        self._spoke = 0.0

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

    def tell(self, envelope: JobEvent) -> None:
        """Tell about one event."""
        event = envelope.event
        if self._quiet or event.kind == "failed":  # the command itself says what failed
            return
        if event.kind == "step":
            self.advance(
                f"step {event.step}/{event.total}  {event.it_per_second:.2f} it/s  "
                f"{event.remaining:.0f} s left",
                event.step,
                event.total,
            )
        elif event.kind == "downloading":
            self.advance(
                f"{event.done / 1e6:,.0f} of {event.total / 1e6:,.0f} MB, "
                f"{event.speed / 1e6:.1f} MB/s",
                event.done,
                event.total,
            )
        else:
            line = event_text(event)
            if line:
                self._say(line)

    def advance(self, text: str, done: int, total: int) -> None:
        """Tell how far something is; `total` 0 = that isn't known."""
        if self._quiet:
            return
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, description=text, completed=done, total=total or None)
        elif (done == total > 0) or time.monotonic() - self._spoke >= _EVERY:
            self._spoke = time.monotonic()
            self._say(text)

    def _say(self, line: str) -> None:
        safe = one_line(line)
        if self._bar is not None:
            self._bar.console.print(safe, markup=False, highlight=False, soft_wrap=True)
        else:
            click.echo(safe, err=True)


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
