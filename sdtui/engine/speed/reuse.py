"""What speed-ups that reuse results of earlier steps have in common."""

from __future__ import annotations

from typing import ClassVar


class Reuse:
    """Reuses what earlier steps of a denoising have computed, and counts the steps."""

    kind: ClassVar[str]
    """What messages call it."""

    def __init__(self, name: str) -> None:
        self.name = name
        """With its settings, for the record."""
        self.steps = self.reused = 0
        """Of the current denoising, or the last one: all steps, and those with reused results."""

    @property
    def reuses(self) -> bool:
        """True if the current step uses results of earlier ones."""
        raise NotImplementedError

    def begin(self) -> None:
        """Called before each denoising."""
        self.restart()
        self.steps = self.reused = 0

    def after_step(self) -> None:
        """Called after each step of the scheduler."""
        self.steps += 1
        self.reused += self.reuses

    def restart(self) -> None:
        """Forget all results. Called before and after each denoising, and where they don't fit any
        more."""
        raise NotImplementedError

    def summary(self) -> str | None:
        """Return what was done in the last denoising; None if it had a single step."""
        if self.steps <= 1:
            return None
        return f"{self.kind}: {self.reused} of {self.steps} steps skipped"
