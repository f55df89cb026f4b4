"""What the log and the progress pane show: plain data, made from events in `story`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum


class Level(IntEnum):
    """How much a line of the log matters."""

    STEP = 0
    NEWS = 1
    GOOD = 2
    WARNING = 3
    ERROR = 4


@dataclass(frozen=True)
class LogLine:
    """One line of the log."""

    time: float
    level: Level
    text: str

    @property
    def clock(self) -> str:
        """When, as people read it."""
        return datetime.fromtimestamp(self.time).strftime("%H:%M:%S")


@dataclass(frozen=True)
class Progress:
    """Where the running job stands."""

    job: str = ""
    loading: str = ""
    """The id under which a model is loaded that no job needs yet."""
    stage: str = ""
    step: int = 0
    total: int = 0
    speed: float = 0.0
    remaining: float = 0.0
    attempt: int = 1
    tried: str = ""
    """What the last attempt changed."""
    memory_peak: int = 0
    pictures: int = 1
    """How many the job makes."""
    first_image: int = 0
    """Index of the first picture of the batch that is being made."""
    batch_size: int = 1
    saved: int = 0
    """Pictures of the job that are on disk."""
    stopping: str = ""
    """What was said of its end, once it was asked to stop."""
    outcome: Level | None = None
    """GOOD, WARNING (cancelled) or ERROR once the job is over."""
    message: str = ""
    """What came of it, or what is going on beside the steps."""

    @property
    def is_running(self) -> bool:
        """Whether a job is under way."""
        return bool(self.job) and self.outcome is None

    @property
    def which(self) -> str:
        """Which of the job's pictures are being made; "" if it makes one only."""
        if self.pictures == 1:
            return ""
        first, last = self.first_image + 1, self.first_image + self.batch_size
        which = f"picture {first}" if first == last else f"pictures {first}-{last}"
        return f"{which} of {self.pictures}"
