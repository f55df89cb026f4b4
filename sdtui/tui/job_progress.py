"""The data shown in the log and the first line, derived from events in `event_log`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sdtui.core.enums import EventLevel


@dataclass(frozen=True)
class LogLine:
    """One line of the log."""

    time: float
    level: EventLevel
    text: str

    @property
    def clock(self) -> str:
        """The time of day, as HH:MM:SS."""
        return datetime.fromtimestamp(self.time).strftime("%H:%M:%S")


@dataclass(frozen=True)
class ShownProgress:
    """The progress of the visible job, preload or training."""

    job: str = ""
    is_running: bool = False
    stage: str = ""
    step: int = 0
    total: int = 0
    speed: float = 0.0
    """Denoising steps a second; 0 outside denoising."""
    remaining: float = 0.0
    """Seconds."""
    which: str = ""
    """The pictures in progress, if the job makes several."""
    attempt: int = 1
    stopping: str = ""
    """When it will stop, if it was requested to."""
    outcome: EventLevel | None = None
    """SUCCESS, WARNING (cancelled) or ERROR once the job is over."""
    message: str = ""
    """The outcome, or the current activity."""
    training: str = ""
    """The name of the training, if it is one."""

    @property
    def is_active(self) -> bool:
        """True while the job runs or the model is loaded."""
        return self.outcome is None and self.stage != ""

    @property
    def count(self) -> str:
        """Return the completed and total steps or components; "" if unknown. Bytes are in the
        message, with their units."""
        is_counted = self.total and self.stage != "downloading"
        return f"{self.step}/{self.total}" if is_counted else ""

    @property
    def place(self) -> str:
        """Return the job's progress in one word."""
        return self.count or self.stage

    @property
    def steps_done(self) -> str:
        """How many steps are done, as the beginning of a sentence; "" outside denoising."""
        return f"{self.step} of {self.total} steps are done" if self.speed else ""
