"""Comparing pictures."""

from __future__ import annotations

from PIL import Image, ImageChops


def difference(one: Image.Image, other: Image.Image) -> int:
    """The largest difference of any channel of any pixel, 0 to 255."""
    extrema = ImageChops.difference(one, other).getextrema()
    return max(high for _, high in extrema if isinstance(high, int))
