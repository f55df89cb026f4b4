"""Gaussian blur in float, which Pillow's boxes only approximate."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]


def gaussian_blur(values: Floats, sigma: float) -> Floats:
    """Blur an array of H x W or H x W x C with a Gaussian of `sigma` pixels, cut at 4 sigma, with
    mirrored borders (OpenCV's default)."""
    radius = max(1, round(4 * sigma))
    offsets = np.arange(-radius, radius + 1)
    kernel = np.exp(-(offsets**2) / (2 * sigma**2)).astype(np.float32)
    kernel /= kernel.sum()
    for axis in (0, 1):
        values = _along(values, kernel, axis)
    return values


def _along(values: Floats, kernel: Floats, axis: int) -> Floats:
    radius = len(kernel) // 2
    length = values.shape[axis]
    places = np.arange(-radius, length + radius)
    period = max(1, 2 * (length - 1))
    mirrored = np.abs((places + length - 1) % period - (length - 1)) if length > 1 else places * 0
    padded = np.take(values, mirrored, axis=axis)
    total = np.zeros_like(values, dtype=np.float32)
    for offset, weight in enumerate(kernel):
        window = [slice(None)] * values.ndim
        window[axis] = slice(offset, offset + length)
        total += weight * padded[tuple(window)]
    return total
