"""What Textual has drawn, put into the grid that is sent to the terminal."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from rich.color import Color, ColorSystem
from rich.console import Console
from rich.style import Style
from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate
from textual.screen import Screen
from textual.strip import SGR_STYLES, Strip

from sdtui.tui.terminal.cells import PLAIN, CellGrid, Look


def draw_update(
    update: CompositorUpdate, screen: Screen[Any], console: Console, grid: CellGrid
) -> None:
    """Draw what Textual has drawn into a grid."""
    system = console._color_system or ColorSystem.TRUECOLOR
    if isinstance(update, LayoutUpdate):
        if (grid.width, grid.height) != update.region.size:
            grid.resize(*update.region.size)
        for y, (strips, cuts) in enumerate(
            zip(update.strips, screen._compositor.cuts, strict=False)
        ):
            for strip, x, end in zip(strips, cuts, cuts[1:], strict=False):
                _draw_strip(grid, y, x, end, strip, system)
    elif isinstance(update, ChopsUpdate):
        for y, x1, x2 in update.spans:
            chops: dict[int, Strip | None] = dict(update.chops[y]) if y < grid.height else {}
            for (x, chop), end in zip(chops.items(), update.chop_ends[y], strict=False):
                if chop is not None and x <= x2 and end > x1:
                    right = min(end, x2)
                    cropped = chop if end == right else chop.crop(0, right - x)
                    _draw_strip(grid, y, x, right, cropped, system)


def _draw_strip(
    grid: CellGrid, y: int, x: int, end: int, strip: Strip, system: ColorSystem
) -> None:
    right = min(end, grid.width)
    for text, style, control in strip._segments:
        if x < right and not control:
            x = grid.put(y, x, text, _look(style, system), right)


@lru_cache(maxsize=20_000)
def _look(style: Style | None, system: ColorSystem) -> Look:
    """Return how a style is sent to a terminal."""
    if style is None:
        return PLAIN
    bits = style._attributes & style._set_attributes
    attributes = bits and ";".join(sgr for bit, sgr in enumerate(SGR_STYLES) if bits & 1 << bit)
    foreground = _colour_codes(style._color, system, is_foreground=True)
    background = _colour_codes(style._bgcolor, system, is_foreground=False)
    return Look(
        attributes or "",
        "" if foreground == "39" else foreground,
        "" if background == "49" else background,
        style._link or "",
    )


def _colour_codes(color: Color | None, system: ColorSystem, *, is_foreground: bool) -> str:
    if color is None:
        return ""
    if system is not ColorSystem.TRUECOLOR:
        color = color.downgrade(system)
    return ";".join(color.get_ansi_codes(is_foreground))
