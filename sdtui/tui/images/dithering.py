"""Pictures for terminals of few colours."""

from __future__ import annotations

from functools import cache
from itertools import chain

from rich.color import Color, ColorSystem

from sdtui.tui.images.halfcell import SHOWN_BITS, Pixels, pixels_of, resized

Palette = tuple[tuple[int, int, int], ...]
"""RGB of each colour."""

_STANDARD: Palette = tuple(
    (bright + 170 * red, bright + 170 * green, bright + 170 * blue)
    for bright in (0, 85)
    for blue in (0, 1)
    for green in (0, 1)
    for red in (0, 1)
)
"""The 16 colours of the first PCs, which Rich takes for a terminal's."""
_OF_256 = range(16, 256)
"""The numbers of the colours that are the same in all terminals."""


@cache
def palette_of(colour_system: str | None) -> Palette:
    """Return the colours of a system (Rich's name) that Rich writes as they are; none if it has
    more than 256, or isn't known."""
    if colour_system == "standard":
        return _STANDARD
    if colour_system != "256":
        return ()
    colours = {number: Color.from_ansi(number).get_truecolor() for number in _OF_256}
    low = SHOWN_BITS & 255
    return tuple(
        rgb
        for number, rgb in colours.items()
        if Color.from_rgb(*(part & low for part in rgb)).downgrade(ColorSystem.EIGHT_BIT).number
        == number
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
