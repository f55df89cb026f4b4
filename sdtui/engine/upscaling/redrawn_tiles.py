"""The tiles in which an upscaled picture is redrawn, as in the script Ultimate SD upscale."""

from __future__ import annotations

import math
from dataclasses import dataclass

from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageOps

from sdtui.core.enums import TileOrder
from sdtui.requests.sections.redraw import Redraw

_SMALLEST_SIDE = 64
"""Pixels that models of all families can take."""

Box = tuple[int, int, int, int]
"""Left, top, right and bottom in pixels."""


@dataclass(frozen=True)
class RedrawnTile:
    """A part of the canvas that is made anew in one pass."""

    box: Box
    """What is replaced."""
    region: Box
    """What the model sees: the box with its padding, of the same size for all tiles, or the whole
    canvas. Its sides are multiples of the model's."""
    seam: str = ""
    """"vertical" or "horizontal" if it only covers the seam through its middle."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the region."""
        left, top, right, bottom = self.region
        return right - left, bottom - top

    def mask(self, blur: int) -> Image.Image:
        """Return how much of the new picture is taken, in the size of the region: 0 to 255."""
        left, top = self.region[:2]
        box = (self.box[0] - left, self.box[1] - top, self.box[2] - left, self.box[3] - top)
        mask = Image.new("L", self.size)
        ImageDraw.Draw(mask).rectangle((box[0], box[1], box[2] - 1, box[3] - 1), fill=255)
        if self.seam:
            mask.paste(_ridge((box[2] - box[0], box[3] - box[1]), self.seam), box[:2])
        return mask.filter(ImageFilter.GaussianBlur(blur)) if blur else mask


def padded_canvas(image: Image.Image, multiple: int) -> Image.Image:
    """Return a picture whose sides are multiples of `multiple` and have at least 64 pixels: what is
    missing is the picture itself, stretched."""
    sides = (max(_SMALLEST_SIDE, side) for side in image.size)
    width, height = (math.ceil(side / multiple) * multiple for side in sides)
    if (width, height) == image.size:
        return image.copy()
    canvas = image.resize((width, height), box=(0, 0, *image.size))
    canvas.paste(image, (0, 0))
    return canvas


def redrawn_tiles(width: int, height: int, redraw: Redraw, multiple: int) -> list[RedrawnTile]:
    """Return the tiles of a canvas in the order in which they are redrawn, the seams last. The
    canvas's sides are multiples of `multiple`."""
    side = max(multiple, redraw.tile // multiple * multiple)
    columns, rows = _edges(width, side), _edges(height, side)

    seen = math.ceil((side + 2 * redraw.padding) / multiple) * multiple

    def tile(box: Box, seam: str = "") -> RedrawnTile:
        left, right = _span(box[0], box[2], seen, width)
        top, bottom = _span(box[1], box[3], seen, height)
        return RedrawnTile(box, (left, top, right, bottom), seam)

    grid = [
        ((column + row) % 2, tile((left, top, right, bottom)))
        for row, (top, bottom) in enumerate(rows)
        for column, (left, right) in enumerate(columns)
    ]
    if redraw.order is TileOrder.CHESS:
        grid.sort(key=lambda each: each[0])
    tiles = [each for _, each in grid]
    if redraw.seams:
        half = side // 2
        for top, bottom in rows:
            for _, right in columns[:-1]:
                box = (max(0, right - half), top, min(width, right + half), bottom)
                tiles.append(tile(box, "vertical"))
        for _, bottom in rows[:-1]:
            for left, right in columns:
                box = (left, max(0, bottom - half), right, min(height, bottom + half))
                tiles.append(tile(box, "horizontal"))
    return tiles


def paste(canvas: Image.Image, made: Image.Image, tile: RedrawnTile, blur: int) -> None:
    """Draw a redrawn region on the canvas."""
    canvas.paste(made, tile.region[:2], tile.mask(blur))


def _edges(length: int, side: int) -> list[tuple[int, int]]:
    return [(start, min(start + side, length)) for start in range(0, length, side)]


def _span(start: int, end: int, size: int, length: int) -> tuple[int, int]:
    """Return a span of a size about another one, inside the canvas."""
    size = min(size, length)
    start = max(0, min((start + end - size) // 2, length - size))
    return start, start + size


def _ridge(size: tuple[int, int], seam: str) -> Image.Image:
    """Return a mask that is white along its middle and black at its edges."""
    ramp = Image.linear_gradient("L")  # black at the top, white at the bottom
    ridge = ImageChops.darker(ramp, ImageOps.flip(ramp)).point(lambda value: min(255, value * 2))
    if seam == "vertical":
        ridge = ridge.rotate(90)
    return ridge.resize(size)
