"""Pause and stop a training from another thread."""

from __future__ import annotations

import threading

from sdtui.core.cancellation import Cancellation


class TrainingControl:
    """Flags that one thread sets and the training checks between steps."""

    def __init__(self) -> None:
        self.cancellation = Cancellation()
        """Stops what is running now: a step, or a sample."""
        self._may_run = threading.Event()
        self._may_run.set()

    @property
    def is_paused(self) -> bool:
        """True if the training should wait."""
        return not self._may_run.is_set()

    @property
    def is_stopped(self) -> bool:
        """True if the training should end and keep what it has learnt."""
        return self.cancellation.is_requested

    def pause(self) -> None:
        """Let the training wait before its next step."""
        self._may_run.clear()

    def resume(self) -> None:
        """Let the training go on."""
        self._may_run.set()

    def stop(self) -> None:
        """Let the training end before its next step."""
        self.cancellation.stop_now()
        self._may_run.set()

    def wait(self) -> None:
        """Return once the training may go on or should end."""
        self._may_run.wait()
