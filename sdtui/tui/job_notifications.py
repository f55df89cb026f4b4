"""Jobs and trainings outside the window: notifications, the window's title, progress in the tab."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from textual.app import App

from sdtui.core.enums import EventLevel, Notify
from sdtui.core.text import one_line
from sdtui.tui.job_progress import ShownProgress
from sdtui.tui.styles import LEVEL_SIGNS
from sdtui.tui.terminal import notifications
from sdtui.tui.terminal.environment import takes_strings
from sdtui.tui.terminal.probe import TerminalCapabilities
from sdtui.tui.textual_internals.driver import write_to_terminal

if TYPE_CHECKING:
    from sdtui.jobs import Jobs

LONG_SECONDS = 30.0
"""After a job of this length the user may look elsewhere, whether the terminal says so or not."""
_NAME = "sdtui"


class JobNotifications:
    """Follows the visible job."""

    def __init__(
        self,
        app: App[Any],
        jobs: Jobs,
        terminal: TerminalCapabilities,
        notify: Notify,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app = app
        self._jobs = jobs
        self._terminal = terminal
        self._notify = notify
        self._clock = clock
        self._begun = 0.0
        self._before = ShownProgress()
        self._title = _NAME
        self._progress = ""

    def show(self, progress: ShownProgress) -> None:
        """Show the progress, and notify the user if the job has ended."""
        before, self._before = self._before, progress
        is_new = progress.job != before.job
        if is_new or (progress.is_running and not before.is_running):
            self._begun = self._clock()  # a new job may have ended already
        if progress == before:
            return
        self._show_title(progress)
        self._show_progress(progress)
        has_ended = progress.outcome is not None and (is_new or before.outcome is None)
        if has_ended and self._is_news(progress):
            of_job = "" if progress.training else f"{self._name(progress)}: "
            self._send(f"{of_job}{progress.message}")

    def _is_news(self, progress: ShownProgress) -> bool:
        """True after a long job, or if there is nothing more to do and the user looks elsewhere. A
        job that was cancelled is no news."""
        if progress.outcome is EventLevel.WARNING:
            return False
        if self._clock() - self._begun >= LONG_SECONDS:
            return True
        others = (job for job in self._jobs.jobs() if job.id != progress.job)
        goes_on = any(job.state.is_wanted for job in others)
        return not self._app.app_focus and (not goes_on or self._jobs.is_paused)

    def _send(self, text: str) -> None:
        if self._notify is Notify.OFF:
            return
        own = ""
        if self._notify is Notify.AUTO and self._terminal.is_reached:
            own = notifications.notification(self._terminal.program, _NAME, text)
        write_to_terminal(self._app, notifications.BELL)
        if own:
            write_to_terminal(self._app, own)

    def _show_title(self, progress: ShownProgress) -> None:
        title = _NAME
        if progress.job and (progress.is_active or progress.outcome is not None):
            outcome = progress.outcome
            sign = progress.place if outcome is None else LEVEL_SIGNS[outcome][0].rstrip()
            title = f"{sign} · {self._name(progress)}"
        if title != self._title and takes_strings():
            self._title = title
            write_to_terminal(self._app, notifications.window_title(title))

    def _show_progress(self, progress: ShownProgress) -> None:
        if not notifications.has_progress(self._terminal):
            return
        shown = notifications.no_progress()
        if progress.is_active:
            known = progress.total > 0
            shown = notifications.progress(progress.step * 100 // progress.total if known else None)
        if shown != self._progress:
            self._progress = shown
            write_to_terminal(self._app, shown)

    def _name(self, progress: ShownProgress) -> str:
        """Return the prompt of a job, or the name of a training."""
        if progress.training:
            return one_line(progress.training)
        try:
            return one_line(self._jobs.job(progress.job).request.prompt) or _NAME
        except KeyError:  # a preload, or one that is forgotten
            return _NAME
