"""Masks: which part of a picture is repainted. Mode L, 255 = repainted, 0 = kept.

What is in between is repainted in part: the result is mixed with the original there.
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageChops, ImageOps

MAX_BLUR = 64
"""Pixels."""


def mask_in(image: Image.Image) -> Image.Image:
    """Return the mask that a picture of any mode holds, 16 bits apart: its alpha channel, where it
    has one that isn't opaque throughout (painted = repainted), else its brightness (white =
    repainted).

    As in A1111 (modules/processing.py, create_binary_mask).
    """
    alpha = alpha_of(image)
    if alpha is not None and alpha.getextrema() != (255, 255):
        return alpha
    return image.convert("RGB").convert("L") if image.mode in ("P", "PA") else image.convert("L")


def alpha_of(image: Image.Image) -> Image.Image | None:
    """Return the alpha channel of a picture of any mode; None if it has none."""
    if not image.has_transparency_data:
        return None
    return image.convert("RGBA").getchannel("A")


def is_empty(mask: Image.Image) -> bool:
    """True if nothing is repainted."""
    return mask.getbbox() is None


def blurred(mask: Image.Image, radius: int, radius_down: int | None = None) -> Image.Image:
    """Blur a mask with a Gaussian of standard deviation `radius` in pixels, downwards of
    `radius_down` if that is another one.

    The kernel, its two passes and their rounding are A1111's (modules/processing.py), which calls
    OpenCV; beyond its edges the mask is mirrored.
    """
    radii = (radius, radius if radius_down is None else radius_down)
    box = mask.getbbox()
    if max(radii) <= 0 or box is None:
        return mask
    kernels = [_kernel(each) for each in radii]
    across, down = (len(each) // 2 for each in kernels)
    left, top, right, bottom = box
    # What lies further from the mask than a kernel stays black; the mirror reaches as far again.
    wider = (
        max(left - 2 * across, 0),
        max(top - 2 * down, 0),
        min(right + 2 * across, mask.width),
        min(bottom + 2 * down, mask.height),
    )
    values = np.asarray(mask.crop(wider), dtype=np.float32)
    for axis, kernel in zip((1, 0), kernels, strict=True):
        values = np.rint(_convolved(values, kernel, axis))
    result = Image.new("L", mask.size)
    result.paste(Image.fromarray(values.astype(np.uint8)), wider[:2])
    return result


def _kernel(radius: int) -> np.typing.NDArray[np.float32]:
    if radius <= 0:
        return np.ones(1, dtype=np.float32)
    half = int(2.5 * radius + 0.5)
    offsets = np.arange(-half, half + 1, dtype=np.float32)
    kernel: np.typing.NDArray[np.float32] = np.exp(-(offsets**2) / (2 * radius**2))
    kernel /= kernel.sum()
    return kernel


def _convolved(
    values: np.typing.NDArray[np.float32], kernel: np.typing.NDArray[np.float32], axis: int
) -> np.typing.NDArray[np.float32]:
    half = len(kernel) // 2
    width = [(half, half) if each == axis else (0, 0) for each in (0, 1)]
    padded = np.pad(values, width, mode="reflect" if values.shape[axis] > 1 else "edge")
    length = values.shape[axis]
    total = np.zeros_like(values)
    for offset, weight in enumerate(kernel):
        total += weight * np.take(padded, range(offset, offset + length), axis=axis)
    return total


def amplified(mask: Image.Image, factor: int) -> Image.Image:
    """Return a mask whose values are `factor` times as large, at most 255. What was 0 stays 0."""
    return mask.point(lambda value: min(255, value * factor))


def united(one: Image.Image, other: Image.Image) -> Image.Image:
    """Return a mask of what either of two masks of the same size repaints."""
    return ImageChops.lighter(one, other)


def inverted(mask: Image.Image) -> Image.Image:
    """Return a mask that repaints what this one keeps."""
    return ImageOps.invert(mask)
