"""Upscalers without a model."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image

from sdtui.engine.upscaling.upscaler import UpscalingContext


@dataclass(frozen=True)
class Resampling:
    """Enlarges pictures with a filter."""

    name: str
    filter: Image.Resampling
    scale: None = None
    sha256: None = None

    def upscale(
        self, image: Image.Image, width: int, height: int, context: UpscalingContext
    ) -> Image.Image:
        """Return the picture in this size."""
        return (
            image if image.size == (width, height) else image.resize((width, height), self.filter)
        )


RESAMPLINGS = {
    "None": Resampling("None", Image.Resampling.LANCZOS),
    "Lanczos": Resampling("Lanczos", Image.Resampling.LANCZOS),
    "Nearest": Resampling("Nearest", Image.Resampling.NEAREST),
}
"""By the names in `core.upscaler_names.BUILT_IN_UPSCALERS`."""
