"""Canny's edge detector (Canny 1986) with the integer arithmetic of OpenCV's `Canny`: Sobel 3 x 3,
|dx| + |dy|, the strongest channel of a pixel."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_TAN_22 = 13_573
"""tan(22.5 degrees) * 2^15."""

Pixels = NDArray[np.uint8]
_Ints = NDArray[np.int64]
_Mask = NDArray[np.bool_]


def canny(pixels: Pixels, low: float, high: float) -> Pixels:
    """Return the edges of a picture, H x W x C, as 255 in H x W: where the gradient is the largest
    across the edge and above `high`, or above `low` and connected to such a place. Gradients of
    black against white are 1020."""
    low, high = sorted((low, high))
    dx, dy, magnitude = _gradient(pixels.astype(np.int64))
    ridge = _is_ridge(dx, dy, magnitude) & (magnitude > np.floor(low))
    return _connected(ridge & (magnitude > np.floor(high)), ridge).astype(np.uint8) * 255


def _gradient(pixels: _Ints) -> tuple[_Ints, _Ints, _Ints]:
    """Return dx, dy and |dx| + |dy| of the channel where that is the largest, each H x W."""
    padded = np.pad(pixels, ((1, 1), (1, 1), (0, 0)), mode="edge")
    across = padded[:-2] + 2 * padded[1:-1] + padded[2:]
    down = padded[:, :-2] + 2 * padded[:, 1:-1] + padded[:, 2:]
    dx = across[:, 2:] - across[:, :-2]
    dy = down[2:] - down[:-2]
    magnitude = np.abs(dx) + np.abs(dy)
    strongest = magnitude.argmax(axis=2)[..., None]
    dx, dy, magnitude = (
        np.take_along_axis(each, strongest, axis=2)[..., 0] for each in (dx, dy, magnitude)
    )
    return dx, dy, magnitude


def _is_ridge(dx: _Ints, dy: _Ints, magnitude: _Ints) -> _Mask:
    """True where no neighbour in the direction of the gradient has a larger one."""
    height, width = magnitude.shape
    around = np.pad(magnitude, 1)

    def neighbour(down: int, right: int) -> _Ints:
        found: _Ints = around[1 + down : 1 + down + height, 1 + right : 1 + right + width]
        return found

    x, y = np.abs(dx), np.abs(dy) << 15
    tan_22 = x * _TAN_22
    is_level = y < tan_22
    is_steep = y > tan_22 + (x << 16)
    level = (magnitude > neighbour(0, -1)) & (magnitude >= neighbour(0, 1))
    steep = (magnitude > neighbour(-1, 0)) & (magnitude >= neighbour(1, 0))
    falling = (magnitude > neighbour(-1, -1)) & (magnitude > neighbour(1, 1))
    rising = (magnitude > neighbour(-1, 1)) & (magnitude > neighbour(1, -1))
    diagonal = np.where((dx ^ dy) < 0, rising, falling)
    ridge: _Mask = np.where(is_level, level, np.where(is_steep, steep, diagonal))
    return ridge


def _connected(strong: _Mask, weak: _Mask) -> _Mask:
    """Return the weak places that are connected to a strong one, diagonally too."""
    height, width = weak.shape
    stride = width + 2
    open_places = np.pad(weak, 1).ravel()
    found = np.pad(strong, 1).ravel()
    open_places &= ~found
    frontier = np.flatnonzero(found)
    steps = np.array([-stride - 1, -stride, -stride + 1, -1, 1, stride - 1, stride, stride + 1])
    while len(frontier):
        reached = np.unique((frontier[:, None] + steps).ravel())
        frontier = reached[open_places[reached]]
        open_places[frontier] = False
        found[frontier] = True
    return found.reshape(height + 2, stride)[1:-1, 1:-1]
