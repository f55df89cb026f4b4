"""Ending the app: by a key, a signal, or a hangup of the terminal."""

from __future__ import annotations

import asyncio
import logging
import signal
from _thread import start_new_thread  # threading's own needs a lock
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING

from textual.app import App
from textual.screen import Screen

from sdtui.core import runtime
from sdtui.core.enums import JobState
from sdtui.tui.background import start_worker
from sdtui.tui.job_progress import ShownProgress
from sdtui.tui.terminal.restore import terminal_is_gone

if TYPE_CHECKING:
    from sdtui.jobs import Jobs

_log = logging.getLogger(__name__)


class Shutdown:
    """Saves and ends the app."""

    def __init__(
        self,
        app: App[int],
        *,
        stop: Callable[[], None],
        save: Callable[[], Future[None]],
        close_backend: Callable[[], bool],
    ) -> None:
        """`stop` stops what runs in the window's background; `save` saves the app's state;
        `close_backend` may be called on any thread."""
        self._app = app
        self._stop = stop
        self._save = save
        self._close_backend = close_backend
        self._question: Screen[bool | None] | None = None

    def handle_signals(self) -> None:
        """Leave on SIGINT, SIGTERM and SIGHUP. To be called on the app's thread."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._on_terminate, number)
        # Not a handler of the event loop, which may be blocked writing to a terminal that hung up.
        signal.signal(signal.SIGHUP, self._on_hangup)

    def leave(self, code: int = 0) -> None:
        """Save and end. The queue is on disk already, for the next start."""
        self._stop()
        self._save().result()
        self._app.exit(code)

    def quit(self, loss: str) -> None:
        """Leave, but ask first if something would be lost, which `loss` says. A second call leaves
        at once."""
        if loss and self._app.screen is not self._question:
            start_worker(self._app, partial(self._ask, loss))
        else:
            self.leave()

    async def _ask(self, loss: str) -> None:
        from sdtui.tui.screens.dialogs import ConfirmScreen

        self._question = ConfirmScreen("Quit?", loss, "Quit", "Stay")
        if await self._app.push_screen_wait(self._question):
            self.leave()

    def _on_terminate(self, number: int) -> None:
        _log.warning("ended by signal %s", number)
        self.leave(128 + number)

    def _on_hangup(self, number: int, _: FrameType | None) -> None:
        """Save and end on another thread: the interrupted code may hold a lock that saving needs,
        and continues only when this handler has returned."""
        if terminal_is_gone():
            start_new_thread(self._end_without_terminal, (number,))
        else:
            self._app.call_later(self._on_terminate, number)

    def _end_without_terminal(self, number: int) -> None:
        """Save and end the process. Textual's exit would wait forever until everything is written
        to the terminal."""
        _log.warning("the terminal is gone")
        self._save().result()
        self._close_backend()
        runtime.leave(128 + number)


def what_is_lost(jobs: Jobs, progress: ShownProgress) -> str:
    """Say what quitting would lose; "" if nothing."""
    if any(job.state is JobState.RUNNING for job in jobs.jobs()):
        done = progress.steps_done
        lost = f"{done} and will be lost. " if done else ""
        return f"{lost}The picture itself stays in the queue."
    if jobs.has_unsaved:
        return "Pictures that the disk had no room for will be lost. In the queue, w saves them."
    return ""
