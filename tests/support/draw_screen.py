"""The screen of an app as a picture, for recordings and for looking at it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont
from rich.cells import cell_len
from rich.color import Color
from rich.style import Style
from rich.terminal_theme import DIMMED_MONOKAI, TerminalTheme
from textual.strip import Strip

CELL_WIDTH, CELL_HEIGHT = 9, 18
"""Pixels of a cell."""
_FONTS = Path("/usr/share/fonts/truetype/dejavu")
_SIZE = 15
_THEME: TerminalTheme = DIMMED_MONOKAI
_BLOCKS = {"▀": (0.0, 0.5), "▄": (0.5, 1.0), "█": (0.0, 1.0)}
"""Upper and lower edge of characters that are drawn as rectangles, without gaps between cells."""
_DOTS = ((0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (0, 3), (1, 3))
"""Column and row of each bit of a braille character."""


def draw_screen(strips: Sequence[Strip]) -> Image.Image:
    """Return lines of cells as an RGB picture of 9×18 pixels a cell."""
    width = max(strip.cell_length for strip in strips)
    image = Image.new("RGB", (width * CELL_WIDTH, len(strips) * CELL_HEIGHT))
    canvas = ImageDraw.Draw(image)
    for row, strip in enumerate(strips):
        column = 0
        for text, style, _ in strip:
            for character in text:
                _draw_cell(canvas, column, row, character, style or Style.null())
                column += cell_len(character)
    return image


def _draw_cell(
    canvas: ImageDraw.ImageDraw, column: int, row: int, character: str, style: Style
) -> None:
    front, back = _rgb(style.color, front=True), _rgb(style.bgcolor, front=False)
    if style.reverse:
        front, back = back, front
    if style.dim:
        front = tuple((3 * f + 2 * b) // 5 for f, b in zip(front, back, strict=True))
    x, y = column * CELL_WIDTH, row * CELL_HEIGHT
    width = max(1, cell_len(character)) * CELL_WIDTH
    canvas.rectangle((x, y, x + width - 1, y + CELL_HEIGHT - 1), fill=back)
    if character in _BLOCKS:
        top, bottom = (y + round(edge * CELL_HEIGHT) for edge in _BLOCKS[character])
        canvas.rectangle((x, top, x + width - 1, bottom - 1), fill=front)
    elif "\u2800" <= character <= "\u28ff":
        _draw_braille(canvas, x, y, ord(character) - 0x2800, front)
    elif not character.isspace():
        canvas.text((x, y + 1), character, fill=front, font=_font(bool(style.bold)))
    if style.underline:
        canvas.line((x, y + CELL_HEIGHT - 2, x + width - 1, y + CELL_HEIGHT - 2), fill=front)
    if style.strike:
        canvas.line((x, y + CELL_HEIGHT // 2, x + width - 1, y + CELL_HEIGHT // 2), fill=front)


def _draw_braille(
    canvas: ImageDraw.ImageDraw, x: int, y: int, dots: int, colour: tuple[int, ...]
) -> None:
    """Draw dots, which the font lacks; the bits of `dots` are those of Unicode's block."""
    for bit, (column, row) in enumerate(_DOTS):
        if dots & 1 << bit:
            left, top = x + 1 + column * 4, y + 1 + row * 4
            canvas.rectangle((left, top, left + 2, top + 2), fill=colour)


@lru_cache(maxsize=4096)
def _rgb(color: Color | None, *, front: bool) -> tuple[int, ...]:
    found = (color or Color.default()).get_truecolor(_THEME, foreground=front)
    return (found.red, found.green, found.blue)


@lru_cache
def _font(bold: bool) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Return DejaVu Sans Mono, or what Pillow has, which lacks lines and arrows."""
    file = _FONTS / f"DejaVuSansMono{'-Bold' if bold else ''}.ttf"
    return ImageFont.truetype(file, _SIZE) if file.exists() else ImageFont.load_default(_SIZE)
