"""Pictures for terminals of few colours."""

from __future__ import annotations

from functools import cache
from itertools import chain

from rich.color import Color, ColorSystem

from sdtui.tui.images.halfcell import SHOWN_BITS, Pixels, pixels_of, resized

_SYSTEMS = {"256": ColorSystem.EIGHT_BIT, "standard": ColorSystem.STANDARD}
_NUMBERS = {ColorSystem.EIGHT_BIT: range(16, 256), ColorSystem.STANDARD: range(16)}
"""The colours that a picture may have. Of 256 the first 16 differ between terminals."""

Palette = tuple[tuple[int, int, int], ...]
"""RGB of each colour."""


@cache
def palette_of(colour_system: str | None) -> Palette:
    """Return the colours of a system (Rich's name) that Rich writes as they are; none if it has
    more than 256, or isn't known."""
    system = _SYSTEMS.get(colour_system or "")
    if system is None:
        return ()
    colours = {number: Color.from_ansi(number).get_truecolor() for number in _NUMBERS[system]}
    low = SHOWN_BITS & 255
    return tuple(
        rgb
        for number, rgb in colours.items()
        if Color.from_rgb(*(part & low for part in rgb)).downgrade(system).number == number
    )


def dithered(pixels: Pixels, columns: int, rows: int, colour_system: str | None) -> Pixels:
    """Return the picture with a pixel for each half-cell, in the system's colours, their errors
    spread (Floyd-Steinberg); the picture itself if the system has all colours."""
    palette = palette_of(colour_system)
    if not palette:
        return pixels
    from PIL import Image

    colours = Image.new("P", (1, 1))
    colours.putpalette(list(chain.from_iterable(palette)))
    dither = Image.Dither.FLOYDSTEINBERG
    return pixels_of(resized(pixels, columns, rows).quantize(palette=colours, dither=dither))
