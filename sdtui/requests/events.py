"""The events of a running job. Every event is plain data; `JobEvent` is the envelope in which
subscribers get them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from sdtui.core.errors import SdtuiError
from sdtui.requests.record import GenerationRecord, Stage, Truncation


class _Event(BaseModel):
    model_config = ConfigDict(
        frozen=True,
        defer_build=True,
        ser_json_bytes="base64",
        val_json_bytes="base64",
    )


class Queued(_Event):
    """The job waits."""

    kind: Literal["queued"] = "queued"
    position: int
    """How many jobs go before it."""


class EngineStarting(_Event):
    """The worker imports torch and diffusers, which takes seconds: once, before its first task."""

    kind: Literal["engine_starting"] = "engine_starting"


class Started(_Event):
    """The worker has taken the job up; the seed is settled."""

    kind: Literal["started"] = "started"
    seed: int
    """Of the first picture."""
    num_images: int = 1
    """Pictures that the job makes."""


class Loading(_Event):
    """A part of the model is being read."""

    kind: Literal["loading"] = "loading"
    model: str
    component: str
    number: int
    """1 for the first component."""
    total: int


class Downloading(_Event):
    """Bytes are coming from the hub."""

    kind: Literal["downloading"] = "downloading"
    model: str
    done: int
    total: int
    """Both in bytes."""
    speed: float
    """Bytes a second."""


class Downloaded(_Event):
    """A model of the hub is complete on disk."""

    kind: Literal["downloaded"] = "downloaded"
    model: str


class Loaded(_Event):
    """The model is ready."""

    kind: Literal["loaded"] = "loaded"
    model: str
    family: str
    device: str
    dtype: str
    memory_mode: str
    seconds: float


class Unloaded(_Event):
    """No model is in memory any more."""

    kind: Literal["unloaded"] = "unloaded"


class ModelReady(_Event):
    """The model that was to be loaded ahead of jobs is in memory."""

    kind: Literal["model_ready"] = "model_ready"
    model: str


class Superseded(_Event):
    """A model was not loaded ahead of jobs, because something else was asked for meanwhile."""

    kind: Literal["superseded"] = "superseded"


class Estimated(_Event):
    """The memory that the run is expected to need at its peak, in bytes."""

    kind: Literal["estimated"] = "estimated"
    estimate: int
    free: int
    memory_mode: str


class Truncated(_Event):
    """Words at the end of a prompt will not be seen by a text encoder."""

    kind: Literal["truncated"] = "truncated"
    truncation: Truncation


class StageStarted(_Event):
    """A stage begins."""

    kind: Literal["stage"] = "stage"
    stage: Stage


class Attempt(_Event):
    """Memory ran out; this is what is tried next."""

    kind: Literal["attempt"] = "attempt"
    number: int
    stage: Stage
    """The stage that ran out of memory."""
    rung: str
    changes: str
    lossless: bool
    error: str


class Step(_Event):
    """One denoising step is done."""

    kind: Literal["step"] = "step"
    step: int
    """1 for the first."""
    total: int
    first_image: int
    """Index of the first picture of the batch that is being made."""
    batch_size: int
    seconds: float
    it_per_second: float
    remaining: float
    """Seconds, for the steps of this batch and of those behind it."""
    memory_now: int
    memory_peak: int
    """Bytes: of the GPU's allocator, or resident memory on a CPU."""


class Preview(_Event):
    """A small picture of what is forming, estimated from x0."""

    kind: Literal["preview"] = "preview"
    step: int
    image_index: int
    width: int
    height: int
    rgb: bytes
    """width * height * 3 bytes, row by row."""


class Notice(_Event):
    """Something that a person should know."""

    kind: Literal["notice"] = "notice"
    message: str


class Saved(_Event):
    """A picture and its record are on disk."""

    kind: Literal["saved"] = "saved"
    image_index: int
    seed: int
    path: str


class Finished(_Event):
    """The job is done."""

    kind: Literal["finished"] = "finished"
    record: GenerationRecord


class Failed(_Event):
    """The job failed. `record` is missing if it failed before it began."""

    kind: Literal["failed"] = "failed"
    error: str
    hint: str = ""
    is_user_error: bool = False
    """Whether the request itself has to be changed, and trying again is of no use."""
    error_type: str = ""
    """The class of our error, e.g. "OutOfMemoryError"; empty for a fault of sdtui's own."""
    stage: Stage | None = None
    record: GenerationRecord | None = None

    def __str__(self) -> str:
        return str(SdtuiError(self.error, self.hint))


class Cancelled(_Event):
    """The job was stopped by a person or program."""

    kind: Literal["cancelled"] = "cancelled"
    record: GenerationRecord | None = None


FinalEvent = Finished | Failed | Cancelled
"""The last event of a job is one of these."""
FINAL_KINDS = ("finished", "failed", "cancelled")

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
    | Preview
    | Notice
    | Saved
    | Finished
    | Failed
    | Cancelled,
    Field(discriminator="kind"),
]


Report = Callable[[Event], None]
"""Takes the events of a run, on the thread that the run is on."""


def report_nothing(_: Event) -> None:
    """Ignore an event."""


class JobEvent(_Event):
    """An event, and the job or preload that it belongs to."""

    job: str
    worker: str = ""
    """The worker that reports it; empty if it comes from the queue itself."""
    time: float
    """Seconds since the epoch."""
    event: Event
