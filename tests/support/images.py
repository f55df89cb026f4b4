"""Comparing pictures."""

from __future__ import annotations

from PIL import Image, ImageChops


def difference(one: Image.Image, other: Image.Image) -> int:
    """The largest difference of any channel of any pixel, 0 to 255."""
    return max(ImageChops.difference(one, other).tobytes())
