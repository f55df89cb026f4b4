"""The size that pictures have where the request leaves it open."""

from __future__ import annotations

import math

from sdtui.requests.request import LARGEST_SIDE, SMALLEST_SIDE


def size_of_shape(shape: tuple[int, int], size: tuple[int, int], multiple: int) -> tuple[int, int]:
    """Return width and height with the aspect ratio of `shape` and about as many pixels as `size`,
    multiples of `multiple`."""
    scale = math.sqrt(size[0] * size[1] / (shape[0] * shape[1]))

    def fitted(side: int) -> int:
        whole = round(side * scale / multiple) * multiple
        return min(max(whole, SMALLEST_SIDE), LARGEST_SIDE) // multiple * multiple

    return fitted(shape[0]), fitted(shape[1])
