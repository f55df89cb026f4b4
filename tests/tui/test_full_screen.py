"""The current picture on the whole screen: zoom, pan, stepping, and verbs of pictures."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from PIL import Image
from textual.widgets import Static

from sdtui.tui.images.loader import PictureLoader, ShownPicture
from sdtui.tui.images.view import PictureView
from sdtui.tui.images.zoom_view import ZoomView
from sdtui.tui.screens.compare import CompareScreen
from sdtui.tui.screens.picture import CurrentPicture, PictureScreen
from sdtui.tui.themed_app import ThemedApp
from tests.support.app_harness import AppHarness, running
from tests.support.fakes import FakeBackend
from tests.support.keyboard import press, settled
from tests.support.records import NOON, record

COLOURS = ("red", "green", "blue")


@pytest.fixture
def full(harness: AppHarness) -> AppHarness:
    """An app whose history holds three large pictures; the newest is blue."""
    for number, colour in enumerate(COLOURS):
        image = Image.new("RGB", (512, 512), colour)
        made = record(colour, seed=40 + number, timestamp=NOON + timedelta(minutes=number))
        harness.history.save(image, made, 0)
    return harness


class FullScreen:
    """What is seen on the whole screen."""

    def __init__(self, harness: AppHarness) -> None:
        self.harness = harness
        screen = harness.app.screen
        assert isinstance(screen, PictureScreen)
        self.screen = screen

    @property
    def view(self) -> ZoomView:
        return self.screen.query_one(ZoomView)

    @property
    def caption(self) -> str:
        return str(self.screen.query_one("#caption", Static).render())

    async def says(self, *parts: str) -> None:
        """Wait until the caption contains all of some texts."""
        await self.harness.until(lambda: all(part in self.caption for part in parts))


@asynccontextmanager
async def at_full_screen(
    harness: AppHarness, size: tuple[int, int] = (120, 36)
) -> AsyncIterator[FullScreen]:
    async with running(harness, size):
        await harness.until(lambda: harness.panes.stage.picture)
        harness.panes.stage.focus()
        await harness.press("enter")
        await harness.until(lambda: isinstance(harness.app.screen, PictureScreen))
        screen = FullScreen(harness)
        await harness.until(lambda: screen.view.image)
        yield screen


async def test_caption_says_place_seed_scale_size_and_path(full: AppHarness) -> None:
    async with at_full_screen(full) as screen:
        await screen.says("1/3", "seed 42", "fit 13 % · 512×512", "blue.png")


async def test_zooming_goes_from_fit_to_pixels_and_back(full: AppHarness) -> None:
    async with at_full_screen(full) as screen:
        await full.press("plus")
        await screen.says("25 % · 512×512")
        await full.press("z")
        await screen.says("100 % · 512×512")
        await full.press("plus")
        await screen.says("200 % · 512×512")
        await full.press("minus", "minus")
        await screen.says("50 % · 512×512")
        await full.press("0")
        await screen.says("fit 13 % · 512×512")


async def test_arrows_step_through_the_gallery_until_the_picture_is_magnified(
    full: AppHarness,
) -> None:
    async with at_full_screen(full) as screen:
        await full.press("right")
        await screen.says("2/3", "seed 41")
        await full.press("l")
        await screen.says("3/3")
        await full.press("plus", "right")
        assert screen.screen.zoom.x > 0.5
        await full.press("h", "h", "k")
        assert screen.screen.zoom.x < 0.5
        assert screen.screen.zoom.y < 0.5
        assert "3/3" in screen.caption
        await full.press("0", "left")
        await screen.says("2/3", "fit")


async def test_next_picture_is_seen_at_the_same_zoom(full: AppHarness) -> None:
    async with at_full_screen(full) as screen:
        await full.press("z", "right")
        zoom = screen.screen.zoom
        await full.press("pagedown")
        await screen.says("2/3", "100 %")
        assert screen.screen.zoom == screen.view.zoom == zoom


async def test_window_shows_the_same_picture_afterwards(full: AppHarness) -> None:
    async with at_full_screen(full) as screen:
        await full.press("right")
        await screen.says("2/3")
        await full.press("escape")
        assert full.at_main
        stage = full.panes.stage
        await full.until(lambda: stage.picture and stage.picture.path.name.endswith("green.png"))


async def test_star_is_seen_in_the_caption(full: AppHarness) -> None:
    async with at_full_screen(full) as screen:
        await full.press("s")
        await screen.says("★")
        await full.press("right")
        await screen.says("2/3")
        assert "★" not in screen.caption
        assert full.history.entries("star:yes").total == 1


async def test_after_the_trash_the_next_picture_is_shown(full: AppHarness) -> None:
    async with at_full_screen(full) as screen:
        await full.press("d")
        await screen.says("1/2", "seed 41")
        assert [each.prompt for each in full.history.entries().entries] == ["green", "red"]
        await full.press("u")
        await screen.says("/3")


async def test_nothing_is_shown_after_the_last_picture_is_gone(full: AppHarness) -> None:
    async with at_full_screen(full) as screen:
        for left in (2, 1, 0):
            await full.press("d")
            await full.until(lambda left=left: full.history.entries().total == left)  # type: ignore[misc]
            await screen.says(f"/{left}" if left else "")
        await full.until(lambda: screen.view.image is None)
        assert screen.caption == ""
        await full.press("u")
        await screen.says("1/1")


@pytest.mark.parametrize("has_init_image", [True, False])
async def test_before_is_shown_as_soon_as_the_record_is_read(
    tmp_path: Path, has_init_image: bool
) -> None:
    shown, before = ShownPicture(tmp_path / "a.png"), ShownPicture(tmp_path / "before.png")
    for each in (shown, before):
        Image.new("RGB", (8, 8)).save(each.path)
    loader = PictureLoader(lambda: FakeBackend().pictures)

    async def perform(_: str) -> None: ...

    current = CurrentPicture(shown, is_read=False)
    screen = PictureScreen(
        ZoomView(PictureView(loader)),
        loader,
        current,
        step=lambda _: None,
        perform=perform,
        stop=lambda *, after_picture: None,
        is_running=lambda: False,
    )
    app = ThemedApp()
    async with app.run_test():
        await app.push_screen(screen)
        await press(app, "b")
        screen.show(replace(current, made_from=(before,) if has_init_image else (), is_read=True))
        await settled(app)
        caption = str(screen.query_one("#caption", Static).render())
        assert ("before   " in caption) is has_init_image


async def test_reuse_leads_back_to_the_window(full: AppHarness) -> None:
    async with at_full_screen(full):
        await full.press("right", "r")
        await full.until(lambda: full.texts["seed"])
        assert full.at_main
        assert full.texts["prompt"] in ("green", "blue")


@pytest.mark.parametrize("key", ["escape", "q", "enter", "f", "f6"])
async def test_every_way_back_leads_to_the_window(full: AppHarness, key: str) -> None:
    async with at_full_screen(full):
        await full.press(key)
        assert full.at_main


async def test_wheel_zooms_and_drag_pans(full: AppHarness) -> None:
    async with at_full_screen(full) as screen:
        view = screen.view
        view.post_message(ZoomView.Scrolled(1, (0.5, 0.5)))
        view.post_message(ZoomView.Scrolled(1, (0.5, 0.5)))
        await screen.says("50 %")
        view.post_message(ZoomView.Dragged(-0.1, 0.0, (0.4, 0.5)))
        await full.until(lambda: screen.screen.zoom.x > 0.5)


async def test_without_a_picture_nothing_opens(harness: AppHarness) -> None:
    async with running(harness):
        await harness.press("f6")
        assert harness.at_main


async def test_two_pictures_are_compared_without_leaving_it(full: AppHarness) -> None:
    async with at_full_screen(full) as screen:
        await full.press("c")
        await screen.says("● marked")
        await full.press("right")
        await screen.says("2/3")
        await full.press("c")
        await full.until(lambda: isinstance(full.app.screen, CompareScreen))
        await full.press("escape")
        assert full.app.screen is screen.screen
