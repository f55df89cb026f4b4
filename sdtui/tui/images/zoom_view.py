"""A picture that can be magnified and moved."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from textual import events, work
from textual.app import ComposeResult
from textual.containers import Container
from textual.geometry import Offset, Size
from textual.message import Message

from sdtui.tui.images.halfcell import Pixels, fit, pixels_of
from sdtui.tui.images.view import PictureView
from sdtui.tui.images.zoom import Zoom, percentage
from sdtui.tui.messages import message

if TYPE_CHECKING:
    from PIL.Image import Image

    from sdtui.core.errors import ImageError

_REST_SECONDS = 0.15
"""Seconds without a change after which a picture counts as at rest."""
_PACE_SECONDS, _PACE_OVER_SSH_SECONDS = 0.04, 0.2
"""Minimum seconds between two pictures while it moves."""
_SHARP_SCALE = 2.0
"""From this scale on, pixels are seen as squares."""


class ZoomView(Container):
    """Draws the part of a picture that its zoom shows: in half-cells while it changes, and with the
    terminal's own protocol at rest. It only reports what the mouse does."""

    DEFAULT_CSS = "ZoomView { width: 1fr; height: 1fr; }"

    class Resized(Message):
        """The view has another size, so that its picture has another scale."""

    @message
    class Scrolled(Message):
        """The wheel was turned: up for `steps` 1, down for -1."""

        steps: int
        at: tuple[float, float]
        """The pointer, as fractions of the view's width and height."""

    @message
    class Dragged(Message):
        """The mouse was moved with its button down."""

        right: float
        down: float
        """The way since the last report, as fractions of the view's width and height."""
        at: tuple[float, float]

    def __init__(self, view: PictureView, *, over_ssh: bool = False) -> None:
        super().__init__()
        self.view = view
        self.image: Image | None = None
        self._zoom = Zoom()
        self._pace = _PACE_OVER_SSH_SECONDS if over_ssh else _PACE_SECONDS
        self._held: Offset | None = None
        """Where the mouse was last while its button is down."""
        self._is_drawing = False
        self._changed = asyncio.Event()

    def compose(self) -> ComposeResult:
        yield self.view

    @property
    def area(self) -> Size:
        """The view's size in pixels of the screen."""
        width, height = self.view.cell
        return Size(self.size.width * width, self.size.height * height)

    @property
    def zoom(self) -> Zoom:
        """The magnification, and the point in the middle."""
        return self._zoom

    @zoom.setter
    def zoom(self, zoom: Zoom) -> None:
        if zoom != self._zoom:
            self._zoom = zoom
            self._redraw()

    @property
    def caption(self) -> str:
        """The scale and the picture's size, such as "37 % · 512×512"; "" without a picture."""
        if self.image is None or not self.size:
            return ""
        scale = percentage(self._zoom, self.image, self.area)
        return f"{scale} · {self.image.width}×{self.image.height}"

    def show(self, image: Image) -> None:
        """Show a picture, with the same zoom as before."""
        self.image = image
        self._redraw()

    def show_pixels(self, pixels: Pixels | None) -> None:
        """Show the whole of a picture that is forming, or nothing."""
        self.image = None
        self.view.show_pixels(pixels)

    def show_problem(self, error: ImageError) -> None:
        """Say why a picture can't be shown in its place."""
        self.image = None
        self.view.show_problem(error)

    def on_resize(self) -> None:
        self._redraw()
        self.post_message(self.Resized())

    def _redraw(self) -> None:
        self._changed.set()
        if not self._is_drawing:
            self._is_drawing = True
            self._draw()

    @work
    async def _draw(self) -> None:
        try:
            while self._changed.is_set():
                self._changed.clear()
                await self._draw_once()
        finally:
            self._is_drawing = False

    async def _draw_once(self) -> None:
        """Draw the picture as it moves and, unless it changes again soon, as it rests."""
        image, zoom, size, area = self.image, self._zoom, self.size, self.area
        if image is None or not size:
            return
        pixels = await asyncio.to_thread(half_cells, image, zoom, area, size)
        if self.image is not image:
            return
        await self.view.show_moving(pixels)
        await asyncio.sleep(self._pace)
        if self.view.has_protocol and not await self._changes_soon():
            await self.view.show_at_rest(await asyncio.to_thread(at_rest, image, zoom, area))

    async def _changes_soon(self) -> bool:
        try:
            await asyncio.wait_for(self._changed.wait(), _REST_SECONDS)
        except TimeoutError:
            return False
        return True

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self.post_message(self.Scrolled(1, self._place(event)))

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self.post_message(self.Scrolled(-1, self._place(event)))

    def on_mouse_down(self, event: events.MouseDown) -> None:
        self._held = event.screen_offset
        self.capture_mouse()

    def on_mouse_up(self) -> None:
        self._held = None
        self.release_mouse()

    def on_mouse_move(self, event: events.MouseMove) -> None:
        if self._held is None or not self.size or event.screen_offset == self._held:
            return
        moved = event.screen_offset - self._held
        self._held = event.screen_offset
        right, down = moved.x / self.size.width, moved.y / self.size.height
        self.post_message(self.Dragged(right, down, self._place(event)))

    def _place(self, event: events.MouseEvent) -> tuple[float, float]:
        x, y = event.screen_x - self.region.x, event.screen_y - self.region.y
        return (x + 0.5) / max(1, self.size.width), (y + 0.5) / max(1, self.size.height)


def half_cells(image: Image, zoom: Zoom, area: Size, cells: Size) -> Pixels:
    """Return the visible part of a picture with a pixel for each half-cell of a view of `cells`,
    which is `area` pixels of the screen large."""
    from PIL.Image import Resampling

    part = zoom.viewport(image, area)
    columns, rows = fit(part, cells.width, cells.height)
    if columns < part.width:
        how = Resampling.BOX
    else:
        how = Resampling.BILINEAR if zoom.is_fit else Resampling.NEAREST
    return pixels_of(image.resize((columns, rows * 2), how, part.box))


def at_rest(image: Image, zoom: Zoom, area: Size) -> Image:
    """Return the visible part of a picture in pixels of the screen; a small picture that is seen
    whole as it is, for the terminal to enlarge."""
    from PIL.Image import Resampling

    part, scale = zoom.viewport(image, area), zoom.scale_in(image, area)
    if zoom.is_fit and scale >= 1:
        return image
    size = max(1, round(part.width * scale)), max(1, round(part.height * scale))
    sharp = scale >= _SHARP_SCALE
    return image.resize(size, Resampling.NEAREST if sharp else Resampling.LANCZOS, part.box)
