"""The events of a running job. Every event is plain data; `JobEvent` is the envelope in which
subscribers get them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from sdtui.core.errors import SdtuiError
from sdtui.requests.record import GenerationRecord, PassPlace, Stage, Truncation
from sdtui.requests.training.events import (
    END_KINDS,
    Preparing,
    TrainingEvent,
    TrainingStep,
)


class _Event(BaseModel):
    model_config = ConfigDict(
        frozen=True,
        defer_build=True,
        ser_json_bytes="base64",
        val_json_bytes="base64",
    )


class _PassEvent(_Event):
    """An event that may belong to one of the run's passes."""

    of_pass: PassPlace | None = None
    """None outside of passes."""


class Queued(_Event):
    """The job waits in the queue."""

    kind: Literal["queued"] = "queued"
    position: int
    """Number of jobs before it."""


class EngineStarting(_Event):
    """The worker imports torch and diffusers, once before its first task; it takes seconds."""

    kind: Literal["engine_starting"] = "engine_starting"


class Started(_Event):
    """The worker has started the job; the seed is known."""

    kind: Literal["started"] = "started"
    seed: int | None
    """Of the first picture; None if no picture is made, but one is upscaled."""
    num_images: int = 1
    """Number of pictures of the job."""


class Loading(_Event):
    """A component of the model is being loaded."""

    kind: Literal["loading"] = "loading"
    model: str
    component: str
    number: int
    """1 for the first component."""
    total: int
    is_part: bool = False
    """True for a part of a model that is ready and loaded in parts (memory mode parts): a stage
    needs it."""


class Downloading(_Event):
    """A model is being downloaded from the hub."""

    kind: Literal["downloading"] = "downloading"
    model: str
    done: int
    total: int
    """Both in bytes."""
    speed: float
    """Bytes per second."""


class Downloaded(_Event):
    """A download of a model has finished."""

    kind: Literal["downloaded"] = "downloaded"
    model: str
    path: str = ""
    """Its folder."""


class Loaded(_Event):
    """The model is loaded."""

    kind: Literal["loaded"] = "loaded"
    model: str
    family: str
    device: str
    dtype: str
    memory_mode: str
    quantize: str = "none"
    seconds: float


class Unloaded(_Event):
    """The model was unloaded."""

    kind: Literal["unloaded"] = "unloaded"


class ModelReady(_Event):
    """A preload has finished: its model is in memory."""

    kind: Literal["model_ready"] = "model_ready"
    model: str


class Superseded(_Event):
    """A preload was dropped because another one was requested meanwhile."""

    kind: Literal["superseded"] = "superseded"


class Estimated(_Event):
    """The expected peak memory of the run, in bytes."""

    kind: Literal["estimated"] = "estimated"
    estimate: int
    free: int
    memory_mode: str


class Truncated(_Event):
    """A prompt is longer than a text encoder takes: the words at its end are cut."""

    kind: Literal["truncated"] = "truncated"
    truncation: Truncation


class StageStarted(_PassEvent):
    """A stage begins. Those of loading the model, encoding and decoding belong to no pass."""

    kind: Literal["stage"] = "stage"
    stage: Stage


class Attempt(_PassEvent):
    """Memory ran out; this is the next attempt."""

    kind: Literal["attempt"] = "attempt"
    number: int
    stage: Stage
    """The stage that ran out of memory."""
    rung: str
    changes: str
    lossless: bool
    error: str


class Step(_PassEvent):
    """A denoising step has finished."""

    kind: Literal["step"] = "step"
    step: int
    """1 for the first; counted over all passes."""
    total: int
    first_image: int
    """Index of the first picture of the batch."""
    batch_size: int
    seconds: float
    it_per_second: float
    remaining: float
    """Seconds that the steps of this batch and of later ones are expected to take."""
    memory_now: int
    memory_peak: int
    """Bytes of the GPU's allocator; on a CPU, of resident memory."""


class Tile(_Event):
    """A tile of a picture that is being upscaled has finished."""

    kind: Literal["tile"] = "tile"
    tile: int
    """1 for the first."""
    total: int
    image_index: int = 0


class Preview(_PassEvent):
    """A small picture estimated from the predicted x0."""

    kind: Literal["preview"] = "preview"
    step: int
    image_index: int
    width: int
    height: int
    rgb: bytes
    """Height x width x 3 bytes, row by row."""


class Notice(_Event):
    """A message for the user."""

    kind: Literal["notice"] = "notice"
    message: str


class Attached(_Event):
    """A picture to keep beside the next finished ones, such as a control map. It goes to what saves
    the pictures, not to subscribers."""

    kind: Literal["attached"] = "attached"
    name: str
    """What it is called in the file's name: "control1"."""
    png: bytes


class Saved(_Event):
    """A picture and its record are on disk."""

    kind: Literal["saved"] = "saved"
    image_index: int
    seed: int | None
    """None if it is unknown, of an upscaled picture."""
    path: str


class SheetSaved(_Event):
    """The sheet of a grid is on disk. The envelope has the id of the grid in place of a job's."""

    kind: Literal["sheet"] = "sheet"
    path: str


class WorkerLost(_Event):
    """The worker that made the job was lost; the job waits for another."""

    kind: Literal["worker_lost"] = "worker_lost"
    error: str


class WorkerJoined(_Event):
    """The machine of a worker is there, for the first time or again."""

    kind: Literal["worker_joined"] = "worker_joined"
    name: str


class WorkerAway(_Event):
    """The machine of a worker can't be reached any more, or takes no more work."""

    kind: Literal["worker_away"] = "worker_away"
    name: str


class Training(_Event):
    """Something happened to a training. The envelope has the id of its task."""

    kind: Literal["training"] = "training"
    name: str
    """Of the training."""
    event: TrainingEvent = Field(discriminator="kind")


class TrainingProgress(_Event):
    """A training has made a step, or goes on with its preparations."""

    kind: Literal["training_step"] = "training_step"
    name: str
    """Of the training."""
    event: Annotated[Preparing | TrainingStep, Field(discriminator="kind")]


def training_event(name: str, event: TrainingEvent) -> Training | TrainingProgress:
    """Return the event for what happened to a training."""
    if isinstance(event, Preparing | TrainingStep):
        return TrainingProgress(name=name, event=event)
    return Training(name=name, event=event)


def is_end_of_training(event: Event) -> bool:
    """True if an event is the last one of a training's task."""
    return isinstance(event, Training) and event.event.kind in END_KINDS


class Finished(_Event):
    """The job is done."""

    kind: Literal["finished"] = "finished"
    record: GenerationRecord


class Failed(_Event):
    """The job failed. There is no `record` if it failed before the run began."""

    kind: Literal["failed"] = "failed"
    error: str
    hint: str = ""
    is_user_error: bool = False
    """True if the request has to be changed, so that a retry can't help."""
    error_type: str = ""
    """The class of the SdtuiError, e.g. "OutOfMemoryError"; empty for an internal error."""
    stage: Stage | None = None
    record: GenerationRecord | None = None

    def __str__(self) -> str:
        return str(SdtuiError(self.error, self.hint))


class Cancelled(_Event):
    """The job was cancelled."""

    kind: Literal["cancelled"] = "cancelled"
    record: GenerationRecord | None = None


FinalEvent = Finished | Failed | Cancelled
"""The last event of a job is one of these."""
FINAL_KINDS = ("finished", "failed", "cancelled")
FLEETING_KINDS = ("step", "tile", "preview", "training_step")
"""Kinds of events of which only the newest matters. They come many times a second."""

Event = Annotated[
    Queued
    | EngineStarting
    | Started
    | Loading
    | Downloading
    | Downloaded
    | Loaded
    | Unloaded
    | ModelReady
    | Superseded
    | Estimated
    | Truncated
    | StageStarted
    | Attempt
    | Step
    | Tile
    | Preview
    | Notice
    | Attached
    | Saved
    | SheetSaved
    | WorkerLost
    | WorkerJoined
    | WorkerAway
    | Training
    | TrainingProgress
    | Finished
    | Failed
    | Cancelled,
    Field(discriminator="kind"),
]


Report = Callable[[Event], None]
"""Receives the events of a run, on the thread of the run."""


def report_nothing(_: Event) -> None:
    """Ignore an event."""


class JobEvent(_Event):
    """An event, and the job or preload that it belongs to."""

    job: str
    """Its id; empty if the event belongs to a worker alone."""
    worker: str = ""
    """The worker that reports it; empty if it comes from the queue itself."""
    time: float
    """Seconds since the epoch."""
    event: Event
