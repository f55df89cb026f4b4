"""Comparing two pictures: on one canvas, divided, and their difference."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

_CLEAR_SHARE = 0.99
"""The share of values that the amplification leaves below white."""
_LARGEST_GAIN = 64


@dataclass(frozen=True)
class Difference:
    """How two pictures of the same size differ, value by value (a pixel has three, of 0 to 255)."""

    image: Image
    """`min(255, gain * |first - second|)` for each value."""
    gain: int
    """The largest power of two up to 64 with which 99 % of the values stay below 255."""
    mean: float
    """The mean of `|first - second|`."""
    largest: int
    """The largest `|first - second|`."""


def difference(first: Image, second: Image) -> Difference:
    """Return the difference of two RGB pictures of the same size."""
    from PIL import ImageChops

    plain = ImageChops.difference(first, second)
    histogram = plain.histogram()  # of one channel after the other
    counts = [sum(histogram[value::256]) for value in range(256)]
    total = sum(counts)
    largest = max((value for value, count in enumerate(counts) if count), default=0)
    mean = sum(value * count for value, count in enumerate(counts)) / max(1, total)
    up_to = enumerate(accumulate(counts))
    clear = next(value for value, count in up_to if count >= total * _CLEAR_SHARE)
    gain = 1
    while gain < _LARGEST_GAIN and clear * gain * 2 <= 255:
        gain *= 2
    return Difference(plain.point(lambda value: min(255, value * gain)), gain, mean, largest)


def on_one_canvas(first: Image, second: Image) -> tuple[Image, Image]:
    """Return two RGB pictures in the same size: each as large as fits into the larger width and
    height of the two, in the middle of black."""
    size = (max(first.width, second.width), max(first.height, second.height))
    return _on_canvas(first, size), _on_canvas(second, size)


def _on_canvas(image: Image, size: tuple[int, int]) -> Image:
    from PIL import ImageOps

    return image if image.size == size else ImageOps.pad(image, size, color=(0, 0, 0))


def divided(first: Image, second: Image, column: int, line: int) -> Image:
    """Return the first picture left of a column and the second one right of it, with a white line
    of `line` pixels between them. Both have the same size."""
    column = min(max(0, column), first.width)
    image = first.copy()
    if column < first.width:
        image.paste(second.crop((column, 0, second.width, second.height)), (column, 0))
    start = max(0, column - (line + 1) // 2)
    image.paste((255, 255, 255), (start, 0, min(first.width, start + line), first.height))
    return image
