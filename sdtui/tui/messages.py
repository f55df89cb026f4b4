"""What other threads tell the app, and how a message is made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar, dataclass_transform

from textual.message import Message

if TYPE_CHECKING:
    from sdtui.models import ModelDescription, TokenCounter
    from sdtui.monitor import Sample


_Kind = TypeVar("_Kind", bound=Message)


@dataclass_transform(eq_default=False)
def message(kind: type[_Kind]) -> type[_Kind]:
    """A dataclass of a message. Nobody compares or prints any, and what would do so takes half of
    the time to make one: some two dozen are made before the window is seen."""
    return dataclass(eq=False, repr=False)(kind)


class PartsImported(Message):
    """Everything that works behind the window can be asked for."""


@message
class ValueOpened(Message):
    """A value of a picture's story is to be seen whole."""

    value: str


@message
class Sampled(Message):
    """The monitor took a sample."""

    sample: Sample


@message
class HistoryRead(Message):
    """What was changed among the pictures while sdtui was away is in the index."""

    problem: str = ""


@message
class ModelKnown(Message):
    """What could be found out about a model without loading it."""

    model: str
    counters: Mapping[str, TokenCounter] = field(default_factory=dict)
    description: ModelDescription | None = None
    problem: str = ""
