"""Picture files that are damaged or gone: what is seen in their place."""

from __future__ import annotations

from datetime import timedelta

import pytest
from PIL import Image

from sdtui.history import Entry
from sdtui.tui.images.pixel_view import PixelView
from sdtui.tui.screens.compare import CompareScreen
from sdtui.tui.screens.picture import PictureScreen
from tests.support.app_harness import AppHarness, at_gallery
from tests.support.records import NOON, record

REASON = "its format is unknown"


@pytest.fixture
def three(harness: AppHarness) -> AppHarness:
    """An app whose history holds three pictures."""
    for number in range(3):
        made = record("a cat", seed=number, timestamp=NOON + timedelta(minutes=number))
        harness.history.save(Image.new("RGB", (64, 64), "navy"), made, 0)
    return harness


def on_stage(harness: AppHarness) -> str:
    """Return the words on the stage."""
    lines = harness.screen_text().splitlines()
    return " ".join(line[:54].strip() for line in lines[:-1])


def second(harness: AppHarness) -> Entry:
    return harness.history.entries().entries[1]


async def test_the_stage_says_why_a_picture_is_not_shown(three: AppHarness) -> None:
    second(three).path.write_bytes(b"no picture")
    async with at_gallery(three):
        view = three.panes.stage.view.pixel_view
        await three.press("right")
        await three.until(lambda: REASON in view.problem)
        assert REASON in on_stage(three)
        await three.press("left")
        await three.until(lambda: view.pixels)
        assert REASON not in on_stage(three)


async def test_a_picture_without_a_file_leaves_the_list_when_it_is_looked_at(
    three: AppHarness,
) -> None:
    async with at_gallery(three):
        gone = second(three).path
        gone.unlink()
        await three.press("right")
        await three.until(lambda: three.panes.gallery.total == 2)
        assert f"{gone.name} is no longer there." in three.notifications()


async def test_full_screen_says_why_in_the_place_of_the_picture(three: AppHarness) -> None:
    path = second(three).path
    path.write_bytes(b"no picture")
    async with at_gallery(three):
        await three.press("right", "f")
        await three.until(lambda: isinstance(three.app.screen, PictureScreen))
        view = three.app.screen.query_one(PixelView)
        await three.until(lambda: REASON in view.problem)
        assert path.name in three.screen_text().splitlines()[-2]
        await three.press("left")
        await three.until(lambda: view.pixels)
        assert not view.problem


async def test_compare_shows_the_picture_that_can_be_read(three: AppHarness) -> None:
    second(three).path.write_bytes(b"no picture")
    async with at_gallery(three):
        await three.press("c", "right", "c")
        await three.until(lambda: isinstance(three.app.screen, CompareScreen))
        screen = three.app.screen
        assert isinstance(screen, CompareScreen)
        first, other = (each.view.pixel_view for each in screen.zoom_views())
        await three.until(lambda: first.pixels and REASON in other.problem)
        await three.press("m")
        (both,) = (each.view.pixel_view for each in screen.zoom_views())
        assert REASON in both.problem
