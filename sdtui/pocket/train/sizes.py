"""Sizes of training pictures."""

from __future__ import annotations

from torch import Tensor

from sdtui.pocket.train.compositions import SIZE

Size = tuple[int, int]
"""Width and height in pixels. Latents have a cell for 8 x 8 of them; the cells of a side are a
multiple of four, as the UNet halves them twice."""

NATIVE: Size = (SIZE, SIZE)
_SHAPES: tuple[Size, ...] = ((96, 128), (128, 96), (96, 160), (160, 96), (128, 160), (160, 128))
SHARES: dict[Size, float] = {
    (64, 64): 0.01,
    (96, 96): 0.01,
    NATIVE: 0.5,
    (192, 192): 0.03,
    (256, 256): 0.36,
    **dict.fromkeys(_SHAPES, 0.015),
}
"""Share of the training steps, and of the files, by size."""


def name_of(size: Size) -> str:
    """What the names of files of a size begin with, before a hyphen."""
    width, height = size
    return str(width) if width == height else f"{width}x{height}"


def size_of_name(name: str) -> Size:
    """The size that the name of a file begins with."""
    width, _, height = name.partition("-")[0].partition("x")
    return int(width), int(height or width)


def size_of_latents(latents: Tensor) -> Size:
    """The size of the pictures of latents (n, c, h, w)."""
    return latents.shape[3] * 8, latents.shape[2] * 8


def cells_of(size: Size) -> int:
    """How many latent cells a picture of a size has."""
    return size[0] // 8 * (size[1] // 8)
