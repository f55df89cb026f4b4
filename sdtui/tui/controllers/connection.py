"""Showing where the app is attached, and whether the line holds."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from textual.screen import Screen
from textual.timer import Timer

from sdtui.core.enums import EventLevel
from sdtui.core.text import one_line
from sdtui.tui.context import AppContext
from sdtui.tui.messages import ConnectionChanged
from sdtui.tui.panes.log import LogPane
from sdtui.tui.widgets.top_line import ShownConnection, TopLine

if TYPE_CHECKING:
    from sdtui.jobs import ConnectionStatus

_REASON_SECONDS = 12.0


class ConnectionController:
    """Shows the connection to a backend in another process; does nothing for one in this."""

    def __init__(
        self,
        context: AppContext,
        screen: Screen[Any],
        top_line: TopLine,
        log: LogPane,
        *,
        show_queue: Callable[[], object],
        read_again: Callable[[], object],
    ) -> None:
        """`show_queue` is called when something changed at the backend without an event;
        `read_again` when it can be reached again."""
        self._show_queue = show_queue
        self._read_again = read_again
        self._context = context
        self._screen = screen
        self._top_line = top_line
        self._log = log
        self._name = ""
        self._status: ConnectionStatus | None = None
        self._is_posted = False
        """True while a message is under way, which will find the newest status."""
        self._was_connected = False
        self._said = ""
        """The problem that was shown last."""
        self._timer: Timer | None = None

    def begin(self) -> None:
        """Show the connection from now on."""
        connection = self._context.backend.connection
        if connection is None:
            return
        self._name = one_line(connection.name)
        self._timer = self._screen.set_interval(1.0, self._show, pause=True)
        connection.subscribe(self._note)
        self.follow()

    def _note(self, _: ConnectionStatus) -> None:
        """Called on any thread."""
        if not self._is_posted:
            self._is_posted = True
            self._screen.post_message(ConnectionChanged())

    def follow(self) -> None:
        """Show the newest status in the first line, and what was lost or found again in the log."""
        self._is_posted = False
        connection = self._context.backend.connection
        assert connection is not None
        status = connection.status
        was_connected = self._status is not None and self._status.is_connected
        self._status = status
        if status.is_connected and not was_connected:
            again = " again" if self._was_connected else ""
            self._log.add_message(EventLevel.INFO, f"Connected with {self._name}{again}.")
            if self._was_connected or self._said:
                self._read_again()
            self._was_connected, self._said = True, ""
        elif status.problem not in ("", self._said):
            self._say(one_line(status.problem))
            self._said = status.problem
        if status.is_connected:
            self._show_queue()
        if self._timer is not None:
            self._timer.pause() if status.is_connected else self._timer.resume()
        self._show()

    def _say(self, problem: str) -> None:
        text = f"{problem.rstrip('.')}. Trying again."
        if self._was_connected:
            self._log.add_message(EventLevel.WARNING, text)
        else:  # nothing was shown yet, and the user waits for it
            self._context.notify(text, severity="warning", timeout=_REASON_SECONDS)

    def _show(self) -> None:
        if self._status is not None:
            self._top_line.connection = shown_connection(
                self._name, self._status, time.monotonic(), was_connected=self._was_connected
            )


def shown_connection(
    name: str, status: ConnectionStatus, now: float, *, was_connected: bool
) -> ShownConnection:
    """Return what the first line says of a connection; `now` is in monotonic seconds."""
    if status.is_connected:
        return ShownConnection(name)
    state = "reconnecting" if was_connected else "connecting"
    if status.retry_at is not None:
        state += f", {max(1, math.ceil(status.retry_at - now))} s"
    return ShownConnection(name, state, one_line(status.problem).removeprefix(f"{name} "))
