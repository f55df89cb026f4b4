"""How far a training has come, as interfaces see it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class TrainingCondition(StrEnum):
    """What happens with a training now."""

    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    """A user let it wait; `resume` goes on."""
    FINISHED = "finished"
    """With all of its steps."""
    STOPPED = "stopped"
    """A user ended it before its last step."""
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    """Its process ended without saying why, or it was never begun."""


@dataclass(frozen=True)
class TrainingSample:
    """A picture that was made after a step."""

    step: int
    number: int
    """Of the prompt, from 0."""
    prompt: str
    path: str


@dataclass(frozen=True)
class TrainingCheckpoint:
    """A LoRA that was written after a step."""

    step: int
    path: str
    smoothed: float
    """The smoothed loss at that step; 0 if it is unknown."""


@dataclass(frozen=True)
class TrainingStatus:
    """A training, whether it runs or not. Numbers are 0 as long as they are unknown."""

    name: str
    condition: TrainingCondition
    is_elsewhere: bool = False
    """True if it runs in a process that isn't this backend's."""
    model: str = ""
    step: int = 0
    """Steps that are done."""
    steps: int = 0
    loss: float = 0.0
    smoothed: float = 0.0
    learning_rate: float = 0.0
    step_seconds: float = 0.0
    """Of a step, on average over the last fifty."""
    seconds_left: float | None = None
    """Until the last step; None unless it is running."""
    memory: int = 0
    """Bytes in use on the device."""
    activity: str = ""
    """What is prepared before the first step, e.g. "latents"; "" afterwards."""
    lora: str = ""
    """The LoRA's file; "" before there is one."""
    lora_step: int = 0
    """The step that it is of."""
    error: str = ""
    """Why it failed."""
    notices: tuple[str, ...] = ()
    """Sentences that people should know, of its last run."""
    samples: tuple[TrainingSample, ...] = ()
    """In the order of their steps."""
    checkpoints: tuple[TrainingCheckpoint, ...] = ()
    """Likewise; those whose file is there. The end is one of them, whose file is the LoRA until
    another one is kept."""


@dataclass(frozen=True)
class TrainingCurve:
    """The loss over the steps. Each point is the mean of a stretch of steps, whose last one is in
    `steps`."""

    steps: tuple[int, ...] = ()
    losses: tuple[float, ...] = ()
    smoothed: tuple[float, ...] = ()
