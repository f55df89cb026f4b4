"""Captions written by a model: what is asked of its process, and the events that it reports. All is
plain data: a line of JSON between processes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, defer_build=True)


class CaptionRequest(_Data):
    """Pictures that get captions."""

    captioner: str
    """The model: its path, name or hub id; "" is that of the settings."""
    pictures: tuple[str, ...]
    """Paths."""
    prompt: str = ""
    """What the model goes on with or answers; "" is the usual one of its kind."""
    prefix: str = ""
    """Words in front of every caption."""
    overwrite: bool = False
    """Also replace captions that are there."""
    writes: bool = True
    """False only reports captions."""
    device: str


class CaptionerLoading(_Data):
    """The model is being loaded."""

    kind: Literal["loading"] = "loading"
    captioner: str
    type: str
    device: str
    pictures: int
    """How many get a caption."""
    kept: int
    """How many have one, which stays."""


class Captioned(_Data):
    """A picture has a caption."""

    kind: Literal["caption"] = "caption"
    picture: str
    caption: str
    done: int
    """Pictures so far."""
    total: int


class CaptionNotice(_Data):
    """A sentence that people should know."""

    kind: Literal["notice"] = "notice"
    text: str


class CaptioningFinished(_Data):
    """The process has ended."""

    kind: Literal["finished"] = "finished"
    captioned: int
    kept: int
    left_out: int
    """Pictures that can't be read, or of which the model says nothing."""
    seconds: float
    is_stopped: bool = False
    """True if it was stopped before the last picture."""


class CaptioningFailed(_Data):
    """The process has ended without success. Captions until then are written."""

    kind: Literal["failed"] = "failed"
    error: str
    error_type: str


CaptionEvent = CaptionerLoading | Captioned | CaptionNotice | CaptioningFinished | CaptioningFailed

_ADAPTER: TypeAdapter[CaptionEvent] = TypeAdapter(
    Annotated[CaptionEvent, Field(discriminator="kind")]
)

ReportCaption = Callable[[CaptionEvent], None]


def caption_event_of_line(line: str) -> CaptionEvent | None:
    """Return the event of a line; None if it is no event."""
    try:
        return _ADAPTER.validate_json(line)
    except ValidationError:
        return None
