"""What features do with a picture after it is decoded, with the help of models."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from PIL import Image

from sdtui.core.cancellation import Cancellation
from sdtui.engine.device import Device
from sdtui.requests.events import Report
from sdtui.requests.record import Stage


@dataclass
class UnfinishedPicture:
    """A decoded picture that features still change."""

    image: Image.Image
    features_done: int = 0
    state: dict[str, Any] = field(default_factory=dict)
    """What the current feature keeps, also when memory runs out."""


@dataclass(frozen=True)
class FinishingContext:
    """What a feature finishes a picture with."""

    index: int
    """Of the picture in its run."""
    state: dict[str, Any]
    """Kept until the feature is done with the picture, also when memory runs out in between."""
    device: Device
    cancellation: Cancellation
    report: Report
    notice: Callable[[str], None]
    """Called with messages for the user."""
    expect: Callable[[int], None]
    """Called with the bytes that are needed besides what is in use already."""
    in_stage: Callable[[Stage], AbstractContextManager[None]]
    """Reports a stage and measures its time."""
