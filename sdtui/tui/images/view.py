"""A finished picture, drawn once with the terminal's best image protocol."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from textual import work
from textual.app import ComposeResult
from textual.containers import Container
from textual.message import Message

from sdtui.core.errors import ImageError
from sdtui.core.text import one_line
from sdtui.tui.images.halfcell import Pixels, pixels_of
from sdtui.tui.images.loader import PictureLoader, ShownPicture
from sdtui.tui.images.pixel_view import PixelView
from sdtui.tui.images.terminal_picture import TerminalPicture
from sdtui.tui.messages import message

if TYPE_CHECKING:
    from PIL.Image import Image

HALF_CELLS = (1, 2)
"""The pixels of a cell that shows half-cells: width, height."""


class PictureView(Container):
    """Shows a picture, or a preview. `picture_widget` is the class that draws
    finished pictures; None means half-cells."""

    DEFAULT_CSS = """
    PictureView {
        width: 1fr; height: 1fr; align: center middle;
        & > .finished { width: auto; height: 100%; display: none; }
        &.-finished > .finished { display: block; }
        &.-finished > PixelView { display: none; }
    }
    """

    @message
    class Failed(Message):
        """A picture that was to be read and shown can't be."""

        picture: ShownPicture
        error: ImageError

    def __init__(
        self, loader: PictureLoader, picture_widget: type[TerminalPicture] | None = None
    ) -> None:
        super().__init__()
        self._loader = loader
        self._picture_widget = picture_widget
        self._picture: ShownPicture | None = None
        self.pixel_view = PixelView()

    def compose(self) -> ComposeResult:
        """Yield half-cells; the terminal's own picture is mounted when there is one."""
        yield self.pixel_view

    def show_pixels(self, pixels: Pixels | None) -> None:
        """Show a picture that is in memory, or none."""
        self._picture = None
        self.remove_class("-finished")
        self.pixel_view.problem = ""
        self._draw(pixels)

    def show_problem(self, error: ImageError) -> None:
        """Say why a picture can't be shown in its place."""
        self.show_pixels(None)
        self.pixel_view.problem = one_line(error.what)

    @work(exclusive=True)
    async def _draw(self, pixels: Pixels | None) -> None:
        if pixels is None:
            self.pixel_view.pixels = None
        else:
            await self.pixel_view.show(pixels)

    def show_picture(self, picture: ShownPicture | None) -> None:
        """Read and show a picture, or show none."""
        self._picture = picture
        if picture is None:
            self.show_pixels(None)
        else:
            self._read(picture)

    @work(exclusive=True)
    async def _read(self, picture: ShownPicture) -> None:
        try:
            image, pixels = await asyncio.to_thread(_load, self._loader, picture)
        except ImageError as error:
            self.show_problem(error)
            self.post_message(self.Failed(picture, error))
            return
        if picture == self._picture:
            await self.pixel_view.show(pixels)
            if self._picture_widget is not None:
                await self._draw_finished(self._picture_widget, image)

    @property
    def has_protocol(self) -> bool:
        """True if finished pictures aren't drawn in half-cells."""
        return self._picture_widget is not None

    @property
    def cell(self) -> tuple[int, int]:
        """The pixels of a cell in finished pictures: width, height."""
        return HALF_CELLS if self._picture_widget is None else self._picture_widget.cell

    async def show_moving(self, pixels: Pixels) -> None:
        """Show pixels in half-cells, once they are drawn."""
        self._picture = None
        self.remove_class("-finished")
        await self.pixel_view.show(pixels)

    async def show_at_rest(self, image: Image) -> None:
        """Draw a picture that is in memory by the terminal's protocol, if it has one."""
        if self._picture_widget is not None:
            await self._draw_finished(self._picture_widget, image)

    async def _draw_finished(self, picture_widget: type[TerminalPicture], image: Image) -> None:
        """Show the picture when it is ready; until then, what was shown before."""
        finished = picture_widget(image, classes="finished")
        if self.size:
            await finished.prepare(self.size)
        if not self.is_attached:  # the app is ending
            finished.forget()
            return
        with self.app.batch_update():
            await self.query(".finished").remove()
            await self.mount(finished)
            self.add_class("-finished")


def _load(loader: PictureLoader, picture: ShownPicture) -> tuple[Image, Pixels]:
    image = loader.load(picture)
    return image, pixels_of(image)
