"""The messages of the event stream. Each is a server-sent event of the name of its class in lower
case; those with an id are sent again after a cut."""

from __future__ import annotations

import base64
import zlib
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, PlainSerializer

from sdtui.jobs.job import Job
from sdtui.monitor import Sample
from sdtui.requests.events import JobEvent, Loaded
from sdtui.requests.record import PassPlace


class _Message(BaseModel):
    model_config = ConfigDict(defer_build=True, ser_json_bytes="base64", val_json_bytes="base64")


def _without_defaults(job: Job) -> dict[str, Any]:
    return job.model_dump(mode="json", exclude_defaults=True, warnings="none")


SentJob = Annotated[Job, PlainSerializer(_without_defaults)]
"""A job without what is the default, which is most of it."""


class State(_Message):
    """The properties of the backend's parts, by part and name."""

    values: dict[str, dict[str, Any]]


class Snapshot(_Message):
    """Everything that a client mirrors. Its jobs are newer than the events before it."""

    jobs: list[SentJob]
    """As `Jobs.jobs` lists them."""
    running: dict[str, str]
    state: State
    events: list[JobEvent] = []
    """Those so far of the running jobs, with only the newest step, and the newest step of each
    running training."""
    loaded: Loaded | None = None
    """The model in memory."""
    revision: int = 0
    """As in `History`."""


class Change(_Message):
    """Something happened to a job."""

    job: SentJob | None = None
    """Its newest state, unless it is that of the message before; it may be newer than the event."""
    event: JobEvent | None = None
    order: list[str] | None = None
    """The waiting jobs that come first, if their order was changed."""
    running: dict[str, str] | None = None
    """The running jobs by worker, if others run than before."""


class SmallPreview(_Message):
    """The newest preview of a job."""

    job: str
    worker: str
    time: float
    step: int
    image_index: int
    width: int
    height: int
    of_pass: PassPlace | None = None
    rgb: bytes | None = None
    """The pixels, or a picture: one of both."""
    webp: bytes | None = None


class Hardware(_Message):
    """The newest sample."""

    sample: Sample


class History(_Message):
    """Pictures were changed, otherwise than by jobs."""

    revision: int
    client: str = ""
    """Who changed them; empty if it is unknown."""


class Download(_Message):
    """An event of a download."""

    event: JobEvent


MESSAGES: dict[str, type[_Message]] = {
    kind.__name__.lower(): kind
    for kind in (State, Snapshot, Change, SmallPreview, Hardware, History, Download)
}
"""By the name of the server-sent event."""

Message = State | Snapshot | Change | SmallPreview | Hardware | History | Download


def read_message(name: str, data: bytes) -> Message | None:
    """Return a message as it was streamed; None for a kind that isn't known here. Raises
    ValueError."""
    if name not in MESSAGES:
        return None
    if name == Snapshot.__name__.lower():
        data = zlib.decompress(base64.b64decode(data))
    message = MESSAGES[name].model_validate_json(data)
    assert isinstance(message, Message)
    return message


def name_of(message: Message) -> str:
    """Return the name of a message's server-sent event."""
    return type(message).__name__.lower()
