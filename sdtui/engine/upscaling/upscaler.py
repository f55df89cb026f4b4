"""The interface of an upscaler."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from PIL import Image

from sdtui.core.cancellation import Cancellation
from sdtui.engine.device import Device


def _ignore_tile(_: int, __: int) -> None:
    pass


def _ignore_notice(_: str) -> None:
    pass


def _ignore_bytes(_: int) -> None:
    pass


@dataclass(frozen=True)
class UpscalingContext:
    """Where an upscaler computes and what it reports to."""

    device: Device
    cancellation: Cancellation = field(default_factory=Cancellation)
    """Checked before each tile."""
    on_tile: Callable[[int, int], None] = _ignore_tile
    """Called after each tile with the number of finished ones and of all."""
    notice: Callable[[str], None] = _ignore_notice
    """Called with messages for the user."""
    expect: Callable[[int], None] = _ignore_bytes
    """Called with the bytes that are needed besides what is in use already."""


class Upscaler(Protocol):
    """Enlarges pictures. Upscalers compare by value."""

    @property
    def name(self) -> str: ...

    @property
    def scale(self) -> int | None:
        """The factor of the model, which is applied repeatedly if a larger one is needed; None if
        it has none or isn't loaded yet."""
        ...

    @property
    def sha256(self) -> str | None:
        """The hash of its file; None if it has none. Raises OSError."""
        ...

    def upscale(
        self, image: Image.Image, width: int, height: int, context: UpscalingContext
    ) -> Image.Image:
        """Return a picture of exactly this size, in the mode of `image`: L, RGB, LA or RGBA.

        Raises ModelError if the model can't be used, CancelledError, and the library's own error
        when memory runs out in the smallest tiles too.
        """
        ...
