"""A picture in half-cells."""

from __future__ import annotations

import asyncio

from rich.cells import cell_len
from rich.style import Style
from rich.text import Text
from textual.geometry import Region, Size
from textual.reactive import reactive
from textual.strip import Strip

from sdtui.tui.images.dithering import dithered
from sdtui.tui.images.halfcell import Pixels, draw, fit
from sdtui.tui.styles import theme_style
from sdtui.tui.widgets.lazy_refresh import RefreshWhenVisible

_MARGIN = 2
"""Columns at each side of a text."""

_CELLS_AT_ONCE, _MOST_PARTS = 600, 4
_PAUSE_SECONDS = 0.008
"""Between two parts of a picture: longer than a frame, so that a key is handled meanwhile."""


class PixelView(RefreshWhenVisible):
    """Draws a centred picture, as large as fits, or says why there is none."""

    DEFAULT_CSS = "PixelView { width: 1fr; height: 1fr; }"

    pixels: reactive[Pixels | None] = reactive(None)
    problem: reactive[str] = reactive("")
    """Why there is no picture. Shown while `pixels` is None."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._drawn: tuple[Pixels | None, Size, Style, list[Strip]] | None = None

    def cells(self, pixels: Pixels) -> int:
        """Return how many cells a picture takes in this widget."""
        if not self.size:
            return 0
        columns, rows = fit(pixels, self.size.width, self.size.height)
        return columns * rows

    async def show(self, pixels: Pixels) -> None:
        """Show a picture once it is drawn, on another thread and then part by part: all of it takes
        longer than a key may wait."""
        size, style = self.size, self.visual_style.rich_style
        strips = await asyncio.to_thread(_lines, pixels, size, style, self._colour_system)
        self._drawn = (pixels, size, style, strips)
        self.set_reactive(PixelView.pixels, pixels)
        self.problem = ""
        rows = max(1, _CELLS_AT_ONCE // max(1, size.width), -(-size.height // _MOST_PARTS))
        for top in range(0, size.height, rows):
            if top:
                await asyncio.sleep(_PAUSE_SECONDS)
            self.refresh(Region(0, top, size.width, rows))

    @property
    def _colour_system(self) -> str | None:
        return self.app.console.color_system

    def render_line(self, y: int) -> Strip:
        if self.pixels is None and self.problem:
            return self._problem_line(y)
        state = (self.pixels, self.size, self.visual_style.rich_style)
        if self._drawn is None or self._drawn[:3] != state:
            self._drawn = (*state, _lines(*state, self._colour_system))
        strips = self._drawn[3]
        return strips[y] if y < len(strips) else Strip.blank(self.size.width, state[2])

    def _problem_line(self, y: int) -> Strip:
        """Return a line of the problem, which stands in the middle."""
        width, height = self.size
        style = self.visual_style.rich_style
        text = Text(self.problem, style + theme_style(self.app, "error"))
        lines = text.wrap(self.app.console, max(1, width - 2 * _MARGIN))[:height]
        row = y - (height - len(lines)) // 2
        if not 0 <= row < len(lines):
            return Strip.blank(width, style)
        line = lines[row]
        line.rstrip()
        left = (width - cell_len(line.plain)) // 2
        strip = Strip(line.render(self.app.console, end=""))
        return Strip.join([Strip.blank(left, style), strip]).adjust_cell_length(width, style)


def _lines(
    pixels: Pixels | None, size: Size, style: Style, colour_system: str | None
) -> list[Strip]:
    """Return every line of a widget of this size, with the picture in the middle."""
    width, height = size
    blank = Strip.blank(width, style)
    if pixels is None or not size:
        return [blank] * height
    columns, rows = fit(pixels, width, height)
    left, top = (width - columns) // 2, (height - rows) // 2
    before, after = Strip.blank(left, style), Strip.blank(width - left - columns, style)
    fewer = dithered(pixels, columns, rows, colour_system)
    picture = [Strip.join([before, line, after]) for line in draw(fewer, columns, rows)]
    return [*[blank] * top, *picture, *[blank] * (height - top - rows)]
