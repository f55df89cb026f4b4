"""A picture in half-cells."""

from __future__ import annotations

from textual.geometry import Size
from textual.reactive import reactive
from textual.strip import Strip
from textual.widget import Widget

from sdtui.tui.halfcells import Pixels, draw, fit


class PixelView(Widget):
    """Draws a picture in the middle of its place, as large as fits."""

    DEFAULT_CSS = "PixelView { width: 1fr; height: 1fr; }"

    pixels: reactive[Pixels | None] = reactive(None)

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._drawn: tuple[Pixels, Size, list[Strip]] | None = None

    @property
    def cells(self) -> int:
        """How many cells the picture takes."""
        if self.pixels is None or not self.size:
            return 0
        columns, rows = fit(self.pixels, self.size.width, self.size.height)
        return columns * rows

    def render_line(self, y: int) -> Strip:
        """One line of cells."""
        width, height = self.size
        blank = Strip.blank(width, self.rich_style)
        if self.pixels is None or not width or not height:
            return blank
        columns, rows = fit(self.pixels, width, height)
        top = (height - rows) // 2
        if not top <= y < top + rows:
            return blank
        if self._drawn is None or self._drawn[0] is not self.pixels or self._drawn[1] != self.size:
            self._drawn = (self.pixels, self.size, draw(self.pixels, columns, rows))
        left = (width - columns) // 2
        before = Strip.blank(left, self.rich_style)
        after = Strip.blank(width - left - columns, self.rich_style)
        return Strip.join([before, self._drawn[2][y - top], after])
