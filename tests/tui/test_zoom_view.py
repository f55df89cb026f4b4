"""A picture that is magnified, moved, and drawn by the terminal's protocol at rest."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ClassVar

import pytest
from PIL import Image
from textual import events
from textual.app import App, ComposeResult
from textual.geometry import Size

from sdtui.tui.images.halfcell import pixels_of
from sdtui.tui.images.loader import PictureLoader
from sdtui.tui.images.terminal_picture import TerminalPicture
from sdtui.tui.images.view import PictureView
from sdtui.tui.images.zoom import Zoom
from sdtui.tui.images.zoom_view import ZoomView, at_rest, half_cells
from tests.support.fakes import FakeBackend
from tests.support.keyboard import settled


def two_halves(width: int, height: int) -> Image.Image:
    """Red on the left, blue on the right."""
    image = Image.new("RGB", (width, height), "red")
    image.paste((0, 0, 255), (width // 2, 0, width, height))
    return image


class FinePicture(TerminalPicture):
    """Stands for a protocol with cells of 10×20 pixels."""

    cell = (10, 20)
    drawn: ClassVar[list[Image.Image]] = []

    def __init__(self, image: Image.Image, *, classes: str | None = None) -> None:
        super().__init__(image, classes=classes)
        self.drawn.append(image)

    async def make(self, columns: int, rows: int) -> None:
        """Make nothing."""

    def forget(self) -> None:
        """Forget nothing."""

    def drawn_row(self, row: int) -> None:
        """Draw nothing."""


class ViewApp(App[None]):
    def __init__(self, picture_widget: type[TerminalPicture] | None = None) -> None:
        super().__init__()
        loader = PictureLoader(lambda: FakeBackend().pictures)
        self.view = ZoomView(PictureView(loader, picture_widget))
        self.seen: list[object] = []

    def compose(self) -> ComposeResult:
        yield self.view

    def on_zoom_view_scrolled(self, event: ZoomView.Scrolled) -> None:
        self.seen.append((event.steps, event.at))

    def on_zoom_view_dragged(self, event: ZoomView.Dragged) -> None:
        self.seen.append((event.right, event.down))

    async def until(self, condition: Callable[[], object]) -> None:
        for _ in range(2000):
            if condition():
                return
            await asyncio.sleep(0.005)
        pytest.fail("waited too long")

    @property
    def colours(self) -> set[object]:
        """The colours that are drawn."""
        pixels = self.view.view.pixel_view.pixels
        if pixels is None:
            return set()
        image = Image.frombytes("RGB", (pixels.width, pixels.height), pixels.rgb)
        return {colour for _, colour in image.getcolors(10**6) or []}


RED, BLUE = (255, 0, 0), (0, 0, 255)


def test_moving_picture_has_two_pixels_for_each_cell() -> None:
    image, cells = two_halves(512, 512), Size(80, 24)
    whole = half_cells(image, Zoom(), Size(80, 48), cells)
    assert (whole.width, whole.height) == (48, 48)
    part = half_cells(image, Zoom(1.0), Size(80, 48), cells)
    assert part == pixels_of(image.crop((216, 232, 296, 280)))


def test_magnified_pixels_are_squares() -> None:
    image = two_halves(64, 64)
    part = half_cells(image, Zoom(4.0), Size(80, 48), Size(80, 24))
    colours = Image.frombytes("RGB", (part.width, part.height), part.rgb).getcolors()
    assert sorted(colour for _, colour in colours or []) == [BLUE, RED]


def test_picture_at_rest_has_the_pixels_of_the_screen() -> None:
    image, area = two_halves(512, 512), Size(800, 480)
    assert at_rest(image, Zoom(2.0), area).size == (800, 480)
    assert at_rest(image, Zoom(), area).size == (480, 480)
    small = two_halves(64, 64)
    assert at_rest(small, Zoom(), area) is small


async def test_zoom_shows_another_part() -> None:
    app = ViewApp()
    async with app.run_test(size=(40, 20)):
        app.view.show(two_halves(200, 200))
        await app.until(lambda: app.colours >= {RED, BLUE})
        app.view.zoom = Zoom(1.0, 0.2, 0.5)
        await app.until(lambda: app.colours == {RED})
        assert app.view.caption == "100 % · 200×200"


async def test_picture_is_drawn_in_half_cells_until_it_rests() -> None:
    FinePicture.drawn.clear()
    app = ViewApp(FinePicture)
    async with app.run_test(size=(40, 20)):
        view, inner = app.view, app.view.view
        assert view.area == Size(400, 400)
        view.show(two_halves(800, 800))
        await app.until(lambda: FinePicture.drawn)
        for number in range(5):
            view.zoom = Zoom(1.0, 0.3 + number / 10, 0.5)
            await settled(app)
        await app.until(lambda: not inner.has_class("-finished"))
        await app.until(lambda: inner.has_class("-finished"))
        assert len(FinePicture.drawn) == 2
        assert FinePicture.drawn[-1].size == (400, 400)
        assert FinePicture.drawn[-1].getpixel((200, 200)) == BLUE


async def test_forming_picture_replaces_the_finished_one() -> None:
    app = ViewApp()
    async with app.run_test(size=(40, 20)):
        app.view.show(two_halves(200, 200))
        await app.until(lambda: app.colours)
        app.view.show_pixels(pixels_of(Image.new("RGB", (8, 8), (1, 2, 3))))
        await app.until(lambda: app.colours == {(1, 2, 3)})
        assert app.view.caption == ""
        app.view.show_pixels(None)
        await app.until(lambda: not app.colours)


async def test_wheel_and_drag_are_reported_as_parts_of_the_view() -> None:
    app = ViewApp()
    async with app.run_test(size=(40, 20)) as pilot:
        view = app.view
        await pilot._post_mouse_events([events.MouseScrollUp], view, (19, 9))
        await pilot._post_mouse_events([events.MouseScrollDown], view, (0, 0))
        assert app.seen == [(1, (19.5 / 40, 9.5 / 20)), (-1, (0.5 / 40, 0.5 / 20))]
        app.seen.clear()
        await pilot.mouse_down(view, offset=(10, 10))
        await pilot.hover(view, offset=(20, 15))
        await pilot.mouse_up(view, offset=(20, 15))
        await pilot.hover(view, offset=(5, 5))
        assert app.seen == [(10 / 40, 5 / 20)]
