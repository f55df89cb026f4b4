"""The result of a run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image

from sdtui.core.errors import SdtuiError
from sdtui.requests.record import GenerationRecord

OnImage = Callable[[int, Image.Image, GenerationRecord], None]
"""Called with each finished picture: its index, the picture, and its own record."""


@dataclass(frozen=True)
class GenerationResult:
    """The pictures of a run and its record. If the run failed or was cancelled, `error` is set and
    `images` holds the finished ones."""

    images: list[Image.Image]
    record: GenerationRecord
    error: SdtuiError | None = None
