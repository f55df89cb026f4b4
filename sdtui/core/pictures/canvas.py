"""Outpainting: a picture on a larger canvas, and what of it is made anew."""

from __future__ import annotations

from dataclasses import astuple, dataclass, replace

import numpy as np
from PIL import Image, ImageFilter

OVERLAP = 8
"""Pixels of the picture beside each new border that are repainted too, so that no seam shows: one
latent of Stable Diffusion."""

_SMEAR = 16
"""Radius in pixels of the blur of the border's colours, which would be streaks without it."""


@dataclass(frozen=True)
class Sides:
    """How many pixels are added at each side."""

    left: int = 0
    top: int = 0
    right: int = 0
    bottom: int = 0

    @property
    def wide(self) -> int:
        """Pixels that the picture gets wider."""
        return self.left + self.right

    @property
    def high(self) -> int:
        """Pixels that it gets higher."""
        return self.top + self.bottom

    @property
    def is_empty(self) -> bool:
        """True if nothing is added."""
        return not any(astuple(self))


def rounded_up(sides: Sides, size: tuple[int, int], multiple: int) -> Sides:
    """Return sides with which a picture of `size` gets width and height that are multiples of
    `multiple`: a side that is extended is extended further. A direction without one is left as it
    is."""
    more_wide = -(size[0] + sides.wide) % multiple
    more_high = -(size[1] + sides.high) % multiple
    if sides.wide:
        name = "right" if sides.right else "left"
        sides = replace(sides, **{name: getattr(sides, name) + more_wide})
    if sides.high:
        name = "bottom" if sides.bottom else "top"
        sides = replace(sides, **{name: getattr(sides, name) + more_high})
    return sides


def extended(image: Image.Image, sides: Sides) -> Image.Image:
    """Return an RGB picture on a larger canvas, whose border has the blurred colours of the
    picture's edges."""
    widths = ((sides.top, sides.bottom), (sides.left, sides.right), (0, 0))
    canvas = Image.fromarray(np.pad(np.asarray(image), widths, mode="edge"))
    canvas = canvas.filter(ImageFilter.GaussianBlur(_SMEAR))
    canvas.paste(image, (sides.left, sides.top))
    return canvas


def border_mask(size: tuple[int, int], sides: Sides) -> Image.Image:
    """Return the mask of the new border of a picture of `size`, with a small part of the picture
    beside it, on the larger canvas."""
    width, height = size
    mask = Image.new("L", (width + sides.wide, height + sides.high), 255)
    left = sides.left + (OVERLAP if sides.left else 0)
    top = sides.top + (OVERLAP if sides.top else 0)
    right = sides.left + width - (OVERLAP if sides.right else 0)
    bottom = sides.top + height - (OVERLAP if sides.bottom else 0)
    if right > left and bottom > top:
        mask.paste(0, (left, top, right, bottom))
    return mask


def placed(mask: Image.Image, sides: Sides) -> Image.Image:
    """Return a mask of the picture on the larger canvas, whose border it keeps."""
    canvas = Image.new("L", (mask.width + sides.wide, mask.height + sides.high))
    canvas.paste(mask, (sides.left, sides.top))
    return canvas
