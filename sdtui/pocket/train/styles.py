"""Turn rendered pictures into other styles."""

from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageFilter


class Style(StrEnum):
    RENDER = "render"
    FLAT = "flat"
    OUTLINE = "outline"
    PIXEL = "pixel"
    WATERCOLOUR = "watercolour"


_FLAT_COLOURS = 10
_PIXELS = 32
"""Pixels a side in pixel art."""
_LINE = 0.016
"""Width of lines, relative to the picture."""
_INK = (35, 35, 42)


def style_object(picture: Image.Image, style: Style, size: int) -> Image.Image:
    """Draw one object (RGBA, as large as in the picture of `size` pixels) in a style."""
    if style is Style.FLAT:
        return _flat(picture)
    if style is Style.OUTLINE:
        return _outline(picture, max(1.0, _LINE * size))
    return picture


def style_picture(picture: Image.Image, style: Style) -> Image.Image:
    """Draw a whole RGB picture, with its objects, in a style."""
    if style is Style.PIXEL:
        small = picture.resize((_PIXELS, _PIXELS), Image.Resampling.BOX)
        reduced = small.quantize(24, dither=Image.Dither.NONE).convert("RGB")
        return reduced.resize(picture.size, Image.Resampling.NEAREST)
    if style is Style.WATERCOLOUR:
        return _watercolour(picture)
    return picture


def _flat(picture: Image.Image) -> Image.Image:
    """A few plain colours without shading."""
    alpha = picture.getchannel("A")
    # Transparent pixels get the mean colour, as they would take one of the few.
    colours = picture.resize((1, 1)).convert("RGB").resize(picture.size)
    colours.paste(picture, (0, 0), picture)
    few = colours.quantize(_FLAT_COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    flat = few.convert("RGB").filter(ImageFilter.ModeFilter(3))
    flat.putalpha(alpha)
    return flat


def _outline(picture: Image.Image, width: float) -> Image.Image:
    """Dark lines on white: the edge of the object and its inner edges."""
    alpha = picture.getchannel("A")
    grey = Image.new("L", picture.size, 200)
    grey.paste(picture.convert("L"), (0, 0), alpha)
    values = np.asarray(grey.filter(ImageFilter.GaussianBlur(width / 2)), dtype=np.float32)
    across, down = np.gradient(values)
    inner = (np.hypot(across, down) * width / 18 - 0.5).clip(0, 1)
    solid = alpha.point(lambda value: 255 if value > 127 else 0)
    reach = 2 * round(width) + 1
    rim = np.asarray(ImageChops.subtract(solid, solid.filter(ImageFilter.MinFilter(reach)))) / 255
    line = np.maximum(inner, rim)[..., None]
    drawn = Image.fromarray((255 + line * (np.array(_INK) - 255)).astype(np.uint8))
    drawn.putalpha(alpha)
    return drawn


def _watercolour(picture: Image.Image) -> Image.Image:
    """Pale, uneven paint with darker edges that runs a little, on rough paper."""
    side = picture.width
    rng = np.random.default_rng(7)  # the same paper each time

    def clouds(cells: int, low: float, high: float) -> NDArray[np.float64]:
        noise = Image.fromarray((rng.random((cells, cells)) * 255).astype(np.uint8))
        smooth = noise.resize((side, side), Image.Resampling.BICUBIC)
        return low + (high - low) * np.asarray(smooth, dtype=np.float64) / 255

    rows, columns = np.mgrid[0:side, 0:side]
    reach = 0.02 * side
    y = (rows + clouds(12, -reach, reach)).round().astype(int).clip(0, side - 1)
    x = (columns + clouds(12, -reach, reach)).round().astype(int).clip(0, side - 1)
    moved = Image.fromarray(np.asarray(picture)[y, x])
    soft = moved.filter(ImageFilter.MedianFilter(3)).filter(ImageFilter.GaussianBlur(side / 160))
    values = np.asarray(soft, dtype=np.float64)
    wide = np.asarray(soft.filter(ImageFilter.GaussianBlur(side / 40)), dtype=np.float64)
    values = values + 0.35 * (values - wide).clip(-60, 0)
    paint = clouds(8, 0.58, 0.92)[..., None]
    return Image.fromarray((255 - (255 - values) * paint).clip(0, 255).astype(np.uint8))
