"""The events of a training. Every event is plain data: a line of JSON between processes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError


class _Event(BaseModel):
    model_config = ConfigDict(frozen=True, defer_build=True)


class Preparing(_Event):
    """Something is made that the training needs."""

    kind: Literal["preparing"] = "preparing"
    what: str
    """"model", "class pictures", "latents" or "captions"."""
    done: int = 0
    total: int = 0
    """0 if it isn't known."""


class Planned(_Event):
    """What will be done, once the pictures are prepared."""

    kind: Literal["planned"] = "planned"
    model: str
    family: str
    device: str
    dtype: str
    pictures: int
    class_pictures: int
    resolution: int
    """Pixels."""
    buckets: dict[str, int]
    """Number of pictures by size, e.g. "512x640"."""
    steps: int
    epochs: float
    batch_size: int
    optimizer: str
    learning_rate: float
    gradient_checkpointing: bool
    trainable: int
    """Number of values that are trained."""
    memory: int
    """Estimated peak in bytes."""
    start: int = 0
    """Steps that an earlier training has done."""


class Notice(_Event):
    """A sentence that people should know."""

    kind: Literal["notice"] = "notice"
    text: str


class TrainingStep(_Event):
    """The weights have been changed once."""

    kind: Literal["step"] = "step"
    step: int
    """From 1."""
    steps: int
    loss: float
    smoothed: float
    """The mean of the losses so far, of which late ones count more."""
    learning_rate: float
    seconds: float
    memory: int
    """Bytes in use on the device, on a CPU by the process."""


class Sample(_Event):
    """A picture was made with the LoRA as it is now."""

    kind: Literal["sample"] = "sample"
    step: int
    number: int
    """Of the prompt, from 0."""
    prompt: str
    path: str


class CheckpointWritten(_Event):
    """A LoRA was written, and the state from which the training can go on."""

    kind: Literal["checkpoint"] = "checkpoint"
    step: int
    path: str


class MemoryShort(_Event):
    """Memory ran out; the step is repeated with less."""

    kind: Literal["memory_short"] = "memory_short"
    step: int
    change: str
    """What is done from now on."""


class Paused(_Event):
    """The training has ended after writing a checkpoint, and waits until it is resumed."""

    kind: Literal["paused"] = "paused"
    step: int


class Queued(_Event):
    """The training waits in the queue for its device."""

    kind: Literal["queued"] = "queued"


class Kept(_Event):
    """A checkpoint was made the training's LoRA."""

    kind: Literal["kept"] = "kept"
    step: int
    path: str
    """Of the LoRA."""


class TrainingFinished(_Event):
    """The training has ended with a LoRA."""

    kind: Literal["finished"] = "finished"
    step: int
    path: str
    """"" if it was stopped before there was anything to keep."""
    seconds: float
    is_stopped: bool = False
    """True if it was stopped before its last step."""


class TrainingFailed(_Event):
    """The training has ended without success."""

    kind: Literal["failed"] = "failed"
    error: str
    error_type: str


TrainingEvent = (
    Queued
    | Preparing
    | Planned
    | Notice
    | TrainingStep
    | Sample
    | CheckpointWritten
    | MemoryShort
    | Paused
    | Kept
    | TrainingFinished
    | TrainingFailed
)

END_KINDS = ("paused", "finished", "failed")
"""The last event of a training's process is of one of these kinds."""

_ADAPTER: TypeAdapter[TrainingEvent] = TypeAdapter(
    Annotated[TrainingEvent, Field(discriminator="kind")], config=ConfigDict(defer_build=True)
)

ReportTraining = Callable[[TrainingEvent], None]


def event_line(event: TrainingEvent) -> str:
    """Return an event as a line of JSON."""
    return f"{event.model_dump_json()}\n"


def event_of_line(line: str) -> TrainingEvent | None:
    """Return the event of a line; None if it is no event, as of a newer version."""
    try:
        return _ADAPTER.validate_json(line)
    except ValidationError:
        return None
