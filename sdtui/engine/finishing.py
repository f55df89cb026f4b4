"""What features do with a picture after it is decoded, with the help of models."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

from PIL import Image

from sdtui.core.cancellation import Cancellation
from sdtui.engine.device import Device
from sdtui.engine.passes import Pass
from sdtui.engine.resolved_request import ResolvedRequest
from sdtui.requests.events import Report
from sdtui.requests.record import PassPlace, Stage


class MakePicture(Protocol):
    """Runs a pass with the seed of the picture that is being finished."""

    def __call__(self, pass_: Pass, place: PassPlace) -> Image.Image:
        """Return the decoded picture. `place` is that among such passes. Raises the errors of the
        stages."""
        ...


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
    make: MakePicture
    """Can only be called if the run has a model."""
    resolved: ResolvedRequest | None
    """None if the run has no model."""
