"""A picture that the terminal draws over cells, by any protocol."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, ClassVar

from rich.segment import Segment
from textual import work
from textual.geometry import Size
from textual.strip import Strip
from textual.widget import Widget

from sdtui.tui.background import run_on_thread
from sdtui.tui.images.halfcell import fit
from sdtui.tui.terminal.raster import Area, Raster, mark
from sdtui.tui.textual_internals import rasters_of

if TYPE_CHECKING:
    from PIL.Image import Image


class RasterPicture(Widget):
    """Marks its cells. What sends the screen to the terminal then draws over them, wherever they
    are seen and as often as something else was written there."""

    DEFAULT_CSS = "RasterPicture { width: 1fr; height: 1fr; }"
    cell: ClassVar[tuple[int, int]]
    """Pixels of a cell: width, height. To be set by a subclass for the terminal."""

    def __init__(self, image: Image, *, classes: str | None = None) -> None:
        super().__init__(classes=classes)
        self._image = image
        self._number: int | None = None
        self._placed = (0, 0)

    def raster(self, image: Image) -> Raster:
        """Return what draws a picture, which has the pixels of its cells. Called on another
        thread."""
        raise NotImplementedError

    def get_content_width(self, container: Size, viewport: Size) -> int:
        """Take the whole width: the picture is centred."""
        return container.width

    def on_resize(self) -> None:
        width, height = self.cell
        columns, rows = fit(self._image, self.size.width, self.size.height, height / width)
        if (columns, rows) != self._placed:
            self._prepare(columns, rows)

    def on_unmount(self) -> None:
        self._forget()

    @work(exclusive=True)
    async def _prepare(self, columns: int, rows: int) -> None:
        size = (columns * self.cell[0], rows * self.cell[1])
        raster = await run_on_thread(partial(self._ready, size, Area(0, 0, rows, columns)))
        self._forget()
        self._placed = (columns, rows)
        self._number = rasters_of(self.app).add(raster)
        self.refresh()

    def _ready(self, size: tuple[int, int], whole: Area) -> Raster:
        """Return what draws the picture, ready to draw all of it."""
        raster = self.raster(self._image.resize(size))
        raster.prepare(whole)
        return raster

    def _forget(self) -> None:
        if self._number is not None:
            rasters_of(self.app).remove(self._number)
        self._number = None

    def render_line(self, y: int) -> Strip:
        """Return a line of marks."""
        width, height = self.size
        columns, rows = self._placed
        top, left = (height - rows) // 2, (width - columns) // 2
        if self._number is None or not top <= y < top + rows or columns > width:
            return Strip.blank(width, self.rich_style)
        at = self.content_region
        cell = mark(self._number, at.y + top, at.x + left)
        segments = [
            Segment(" " * left, self.rich_style),
            Segment(cell * columns, self.rich_style),
            Segment(" " * (width - left - columns), self.rich_style),
        ]
        return Strip(segments, width)


def cut(image: Image, area: Area, cell: tuple[int, int]) -> Image:
    """Return the pixels of some cells of a picture."""
    width, height = cell
    return image.crop(
        (area.left * width, area.top * height, area.right * width, area.bottom * height)
    )
