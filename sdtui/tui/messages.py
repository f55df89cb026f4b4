"""Messages from other threads and between widgets, and how messages are defined."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, dataclass_transform

from textual.message import Message

if TYPE_CHECKING:
    from sdtui.core.errors import SdtuiError
    from sdtui.models import ModelDescription, PromptReader, TokenCounter
    from sdtui.monitor import Sample


_Kind = TypeVar("_Kind", bound=Message)


@dataclass_transform(eq_default=False)
def message(kind: type[_Kind]) -> type[_Kind]:
    """Make a dataclass of a message, without comparison and repr: nobody needs them, and they take
    half of the time to define one of the two dozen that the window needs at its start."""
    return dataclass(eq=False, repr=False)(kind)


class PartsImported(Message):
    """The modules that aren't needed until the window is visible are imported."""


@message
class PathPasted(Message):
    """The path of a file was pasted into a prompt."""

    field: str
    path: Path
    before: str
    text: str
    """The whole prompt before and after that."""


@message
class Sampled(Message):
    """The monitor took a sample."""

    sample: Sample


class ConnectionChanged(Message):
    """The connection to the backend was lost or found again, or something changed there."""


class TrainingChanged(Message):
    """Something happened with a training."""


@message
class HistoryRead(Message):
    """The index contains the changes on disk since the last start."""

    problem: str = ""


@message
class ModelKnown(Message):
    """A model was described without being loaded."""

    model: str
    counters: Mapping[str, TokenCounter] = field(default_factory=dict)
    description: ModelDescription | None = None
    reader: PromptReader | None = None
    """None for models that don't take prompts of any length."""
    problem: SdtuiError | None = None
