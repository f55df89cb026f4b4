"""A picture in half-cells."""

from __future__ import annotations

import asyncio

from rich.style import Style
from textual.geometry import Size
from textual.reactive import reactive
from textual.strip import Strip

from sdtui.tui.images.halfcell import Pixels, draw, fit
from sdtui.tui.widgets.lazy_refresh import RefreshWhenVisible


class PixelView(RefreshWhenVisible):
    """Draws a picture in the middle of its place, as large as fits."""

    DEFAULT_CSS = "PixelView { width: 1fr; height: 1fr; }"

    pixels: reactive[Pixels | None] = reactive(None)

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._drawn: tuple[Pixels | None, Size, Style, list[Strip]] | None = None

    def cells(self, pixels: Pixels) -> int:
        """How many cells a picture takes here."""
        if not self.size:
            return 0
        columns, rows = fit(pixels, self.size.width, self.size.height)
        return columns * rows

    async def show(self, pixels: Pixels) -> None:
        """Show a picture once it is drawn, beside the event loop: a large one takes longer than a
        key press may wait."""
        size, style = self.size, self.visual_style.rich_style
        strips = await asyncio.to_thread(_lines, pixels, size, style)
        self._drawn = (pixels, size, style, strips)
        self.pixels = pixels

    def render_line(self, y: int) -> Strip:
        """One line of cells."""
        shown = (self.pixels, self.size, self.visual_style.rich_style)
        if self._drawn is None or self._drawn[:3] != shown:
            self._drawn = (*shown, _lines(*shown))
        strips = self._drawn[3]
        return strips[y] if y < len(strips) else Strip.blank(self.size.width, shown[2])


def _lines(pixels: Pixels | None, size: Size, style: Style) -> list[Strip]:
    """Every line of a place of this size, with the picture in its middle."""
    width, height = size
    blank = Strip.blank(width, style)
    if pixels is None or not size:
        return [blank] * height
    columns, rows = fit(pixels, width, height)
    left, top = (width - columns) // 2, (height - rows) // 2
    before, after = Strip.blank(left, style), Strip.blank(width - left - columns, style)
    picture = [Strip.join([before, line, after]) for line in draw(pixels, columns, rows)]
    return [*[blank] * top, *picture, *[blank] * (height - top - rows)]
