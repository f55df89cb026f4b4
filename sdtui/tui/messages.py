"""What other threads tell the app."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from textual.message import Message

if TYPE_CHECKING:
    from sdtui.models.description import ModelDescription
    from sdtui.models.tokens import TokenCounter
    from sdtui.monitor import Sample


class PartsImported(Message):
    """Everything that works behind the window can be asked for."""


class EventsArrived(Message):
    """The mailbox is no longer empty."""


@dataclass
class ValueOpened(Message):
    """A value of a picture's story is to be seen whole."""

    value: str


@dataclass
class Sampled(Message):
    """The monitor took a sample."""

    sample: Sample


@dataclass
class HistoryRead(Message):
    """What was changed among the pictures while sdtui was away is in the index."""

    problem: str = ""


@dataclass
class ModelKnown(Message):
    """What could be found out about a model without loading it."""

    model: str
    counters: Mapping[str, TokenCounter] = field(default_factory=dict)
    description: ModelDescription | None = None
    problem: str = ""
