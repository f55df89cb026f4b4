"""A picture that the terminal draws, by any protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.segment import Segment
from textual import work
from textual.geometry import Size
from textual.strip import Strip
from textual.widget import Widget

from sdtui.tui.images.halfcell import fit

if TYPE_CHECKING:
    from PIL.Image import Image


class TerminalPicture(Widget):
    """Draws its picture in the middle, as large as fits. What the terminal needs for a size is made
    on another thread."""

    DEFAULT_CSS = "TerminalPicture { width: 1fr; height: 1fr; }"
    cell: ClassVar[tuple[int, int]]
    """Pixels of a cell: width, height. To be set by a subclass for the terminal."""
    largest: ClassVar[int] = 1000
    """The most columns and rows."""

    def __init__(self, image: Image, *, classes: str | None = None) -> None:
        super().__init__(classes=classes)
        self.image = image
        self.placed = (0, 0)
        """Columns and rows of what was made."""

    async def make(self, columns: int, rows: int) -> None:
        """Make what draws the picture in so many cells, in place of what was made before."""
        raise NotImplementedError

    def forget(self) -> None:
        """Forget what was made."""
        raise NotImplementedError

    def drawn_row(self, row: int) -> Segment | None:
        """Return the cells of a row of the picture; None if nothing is made."""
        raise NotImplementedError

    @property
    def corner(self) -> tuple[int, int]:
        """Row and column of the picture's first cell in the widget."""
        columns, rows = self.placed
        return (self.size.height - rows) // 2, (self.size.width - columns) // 2

    def render_line(self, y: int) -> Strip:
        """Return a line with a row of the picture in the middle."""
        width, (columns, rows), (top, left) = self.size.width, self.placed, self.corner
        fits = top <= y < top + rows and columns <= width
        drawn = self.drawn_row(y - top) if fits else None
        if drawn is None:
            return Strip.blank(width, self.rich_style)
        before = Segment(" " * left, self.rich_style)
        after = Segment(" " * (width - left - columns), self.rich_style)
        return Strip([before, drawn, after], width)

    async def prepare(self, size: Size) -> None:
        """Make what draws the picture in a widget of this size. Also for one that isn't mounted."""
        width, height = self.cell
        most = min(size.width, self.largest), min(size.height, self.largest)
        columns, rows = fit(self.image, *most, height / width)
        if (columns, rows) != self.placed:
            await self.make(columns, rows)
            self.placed = (columns, rows)
            self.refresh()

    def get_content_width(self, container: Size, viewport: Size) -> int:
        """Take the whole width: the picture is centred."""
        return container.width

    def on_resize(self) -> None:
        self._prepare()

    @work(exclusive=True)
    async def _prepare(self) -> None:
        await self.prepare(self.size)

    def on_unmount(self) -> None:
        self.forget()
