"""Pictures of half-cells: "▀" shows one pixel in its foreground colour and one in its background
colour. They work in every terminal that has colours, and are cheap enough for every step."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

from rich.color import Color, ColorType
from rich.color_triplet import ColorTriplet
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

if TYPE_CHECKING:
    from PIL.Image import Image

BYTES_A_CELL = 16
"""Bytes that a cell sends to the terminal, on average."""

SHOWN_BITS = 0xFCFCFC
"""The two lowest bits of a channel can't be seen, and without them styles repeat."""


@dataclass(frozen=True)
class Pixels:
    """A picture in memory: `width * height * 3` bytes of RGB, row by row."""

    width: int
    height: int
    rgb: bytes


def pixels_of(image: Image) -> Pixels:
    """Return the pixels of a PIL image."""
    flat = image.convert("RGB")
    return Pixels(flat.width, flat.height, flat.tobytes())


class Sized(Protocol):
    """Something with a width and a height in pixels."""

    @property
    def width(self) -> float: ...

    @property
    def height(self) -> float: ...


def fit(picture: Sized, columns: int, rows: int, cell_shape: float = 2.0) -> tuple[int, int]:
    """The largest columns and rows, within these, that keep the picture's shape. A cell is
    `cell_shape` times as high as wide."""
    scale = min(columns / picture.width, rows * cell_shape / picture.height)
    width = max(1, min(columns, round(picture.width * scale)))
    height = max(1, min(rows, round(picture.height * scale / cell_shape)))
    return width, height


def resized(pixels: Pixels, columns: int, rows: int) -> Image:
    """Return the picture with a pixel for each half-cell."""
    from PIL import Image

    image = Image.frombytes("RGB", (pixels.width, pixels.height), pixels.rgb)
    smaller = columns < pixels.width
    how = Image.Resampling.BOX if smaller else Image.Resampling.BILINEAR
    return image.resize((columns, rows * 2), how)


def draw(pixels: Pixels, columns: int, rows: int) -> list[Strip]:
    """Return the picture as `rows` strips of `columns` cells."""
    data = resized(pixels, columns, rows).tobytes()
    line = columns * 3 * 2
    return [draw_row(data[row * line : (row + 1) * line], columns) for row in range(rows)]


def draw_row(data: bytes, columns: int) -> Strip:
    """Return a row of cells; `data` is the RGB of its upper pixels, then of its lower ones."""
    upper, lower = data[: columns * 3], data[columns * 3 :]
    segments = []
    last, count = -1, 0
    for start in range(0, columns * 3, 3):
        top = (upper[start] << 16) | (upper[start + 1] << 8) | upper[start + 2]
        bottom = (lower[start] << 16) | (lower[start + 1] << 8) | lower[start + 2]
        pair = (top & SHOWN_BITS) << 24 | bottom & SHOWN_BITS
        if pair != last and count:
            segments.append(Segment("▀" * count, _style(last)))
            count = 0
        last = pair
        count += 1
    segments.append(Segment("▀" * count, _style(last)))
    return Strip(segments, columns)


@lru_cache(maxsize=20_000)
def _style(pair: int) -> Style:
    """Return the style of a half-cell; the upper colour is in the higher bits of the pair."""
    return Style.from_color(_colour(pair >> 24), _colour(pair & 0xFFFFFF))


@lru_cache(maxsize=20_000)
def _colour(rgb: int) -> Color:
    # Without Rich's name of the colour, which takes most of the time.
    return Color(
        "", ColorType.TRUECOLOR, triplet=ColorTriplet(rgb >> 16, (rgb >> 8) & 255, rgb & 255)
    )
