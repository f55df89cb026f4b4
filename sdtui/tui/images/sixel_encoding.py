"""Pictures as Sixels (DEC, VT330/VT340 Graphics Programming, chapter 14)."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

COLOURS = 256
"""Registers for colours that terminals have at least, if they have more than 16."""

_BAND = 6
"""Rows of pixels that are drawn at once."""
_RUN = re.compile(rb"(.)\1{3,}")
"""Repetitions that are shorter with their number."""
_PRINTABLE = bytes(63 + bits if bits < 2**_BAND else 0 for bits in range(256))


def with_palette(image: Image) -> Image:
    """Return a picture of so many colours as can be sent."""
    from PIL.Image import Quantize

    return image.convert("RGB").quantize(COLOURS, method=Quantize.FASTOCTREE)


def sixels(image: Image) -> str:
    """Return the control string for a picture with a palette. All colours are defined before the
    first is used: in xterm and WezTerm, definitions between two bands leave holes."""
    width, height = image.size
    data = image.tobytes()
    palette = image.getpalette() or []
    colours = "".join(
        f"#{colour};2;{';'.join(str(round(part / 2.55)) for part in rgb)}"
        for colour in sorted(set(data))
        for rgb in [palette[colour * 3 : colour * 3 + 3]]
    )
    rows = [data[start : start + width] for start in range(0, width * height, width)]
    bands = (_band(rows[start : start + _BAND]) for start in range(0, height, _BAND))
    # What isn't drawn stays as it is (P2 is 1): the last band may be higher than the picture.
    return f'\x1bP0;1;0q"1;1;{width};{height}{colours}{"-".join(bands)}\x1b\\'


def _band(rows: list[bytes]) -> str:
    """Return up to six rows of pixels: of each colour, which pixels of every column have it."""
    width = len(rows[0])
    lines = []
    for colour in set(b"".join(rows)):
        bits = 0
        for place, row in enumerate(rows):
            if colour in row:
                bits |= int.from_bytes(row.translate(_bit(colour, place)))
        columns = bits.to_bytes(width).translate(_PRINTABLE).rstrip(b"?")
        lines.append(b"#%d%s" % (colour, _RUN.sub(_shorter, columns)))
    return b"$".join(lines).decode("ascii")


def _shorter(run: re.Match[bytes]) -> bytes:
    return b"!%d%s" % (len(run.group()), run.group(1))


@cache
def _bit(colour: int, place: int) -> bytes:
    """Return the table that sets a bit where a row has the colour."""
    return bytes((index == colour) << place for index in range(256))
