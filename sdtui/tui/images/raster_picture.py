"""A picture that the terminal draws over cells: Sixel, and iTerm2's inline images."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from rich.segment import Segment

from sdtui.tui.background import run_on_thread
from sdtui.tui.images.terminal_picture import TerminalPicture
from sdtui.tui.terminal.raster import Area, Raster, mark
from sdtui.tui.textual_internals.driver import rasters_of

if TYPE_CHECKING:
    from PIL.Image import Image


class RasterPicture(TerminalPicture):
    """Marks its cells. What sends the screen to the terminal then draws over them, wherever they
    are seen and as often as something else was written there."""

    _number: int | None = None

    def raster(self, image: Image) -> Raster:
        """Return what draws a picture, which has the pixels of its cells. Called on another
        thread."""
        raise NotImplementedError

    async def make(self, columns: int, rows: int) -> None:
        size = (columns * self.cell[0], rows * self.cell[1])
        raster = await run_on_thread(partial(self._ready, size, Area(0, 0, rows, columns)))
        self.forget()
        self._number = rasters_of(self.app).add(raster)

    def _ready(self, size: tuple[int, int], whole: Area) -> Raster:
        """Return what draws the picture, ready to draw all of it."""
        raster = self.raster(self.image.resize(size))
        raster.prepare(whole)
        return raster

    def forget(self) -> None:
        if self._number is not None:
            rasters_of(self.app).remove(self._number)
        self._number = None

    def drawn_row(self, row: int) -> Segment | None:
        """Return marks."""
        if self._number is None:
            return None
        at, (top, left) = self.content_region, self.corner
        cell = mark(self._number, at.y + top, at.x + left)
        return Segment(cell * self.placed[0], self.rich_style)


def cut(image: Image, area: Area, cell: tuple[int, int]) -> Image:
    """Return the pixels of some cells of a picture."""
    width, height = cell
    return image.crop(
        (area.left * width, area.top * height, area.right * width, area.bottom * height)
    )
