"""Pause and stop a training from another thread."""

from __future__ import annotations

from sdtui.core.cancellation import Cancellation


class TrainingControl:
    """Flags that one thread sets and the training checks between steps."""

    def __init__(self) -> None:
        self.cancellation = Cancellation()
        """Stops what is running now: preparations, a step, or a sample."""
        self.is_paused = False
        """True if the training ends to go on another time."""

    @property
    def is_ended(self) -> bool:
        """True if the training should end and keep what it has learnt."""
        return self.cancellation.is_requested

    def pause(self) -> None:
        """Let the training end before its next step, with a checkpoint."""
        self.is_paused = True
        self.cancellation.stop_now()

    def stop(self) -> None:
        """Let the training end before its next step, with a LoRA."""
        self.cancellation.stop_now()
