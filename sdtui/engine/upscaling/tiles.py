"""Tiles of a picture that overlap, and how they are joined."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

OVERLAP = 32
"""Pixels that neighbouring tiles share, as in ComfyUI."""

SMALLEST_TILE = 32
"""Pixels of a side."""


@dataclass(frozen=True)
class Tile:
    """A part of a picture, in pixels."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        return self.right - self.left

    @property
    def height(self) -> int:
        return self.bottom - self.top


def tiles_of(whole: Tile, side: int, multiple: int = 1) -> list[Tile]:
    """Return tiles of about equal size that cover `whole`, row by row. Their sides are at most
    `side` pixels and multiples of `multiple`, where both are possible."""
    columns = _spans(whole.width, side, multiple)
    return [
        Tile(whole.left + left, whole.top + top, whole.left + right, whole.top + bottom)
        for top, bottom in _spans(whole.height, side, multiple)
        for left, right in columns
    ]


def overlap_of(side: int) -> int:
    """Return the pixels that neighbouring tiles of a size share."""
    return min(OVERLAP, side // 4)


def _spans(length: int, side: int, multiple: int) -> list[tuple[int, int]]:
    """Divide a length into overlapping spans of the same size."""
    if length <= side:
        return [(0, length)]
    overlap = overlap_of(side)
    count = math.ceil((length - overlap) / (side - overlap))
    even = math.ceil((length + (count - 1) * overlap) / count)
    size = min(length, side, math.ceil(even / multiple) * multiple)
    starts = [round(number * (length - size) / (count - 1)) for number in range(count)]
    return [(start, start + size) for start in starts]


def blend(
    canvas: NDArray[np.uint8], part: NDArray[np.float32], left: int, top: int, overlap: int
) -> None:
    """Draw a tile on a canvas, both H x W x C in 0 to 255, over the tiles to its left and above it.

    It replaces them linearly in the middle half of the `overlap`; the outer quarters, where a model
    saw the least around a pixel, come from the other tile.
    """
    height, width = part.shape[:2]
    rows = _ramp(height, overlap if top else 0)
    columns = _ramp(width, overlap if left else 0)
    weight = (rows[:, None] * columns[None, :])[..., None]
    area = canvas[top : top + height, left : left + width]
    # In this form nothing of the canvas is left where the tile has all the weight.
    mixed = area * (1 - weight) + part * weight
    area[...] = np.rint(np.clip(mixed, 0, 255)).astype(np.uint8)


def _ramp(length: int, overlap: int) -> NDArray[np.float32]:
    """Return the weights of the pixels along a side, from 0 to 1 in the middle half of the
    overlap."""
    if not overlap:
        return np.ones(length, np.float32)
    position = np.arange(length, dtype=np.float32) + 0.5
    weights: NDArray[np.float32] = np.clip((position - overlap / 4) / (overlap / 2), 0, 1)
    return weights


def split(tiles: Iterator[Tile] | list[Tile], side: int, multiple: int = 1) -> list[Tile]:
    """Return tiles of at most `side` pixels in the place of larger ones, in the same order."""
    return [part for tile in tiles for part in tiles_of(tile, side, multiple)]
