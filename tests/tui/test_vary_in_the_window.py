"""A picture is made again with one value changed, and compared with the original."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdtui.core.errors import GenerationError
from sdtui.tui.screens.compare import CompareScreen
from sdtui.tui.screens.picture import PictureScreen
from sdtui.tui.screens.vary import VaryScreen
from tests.support.app_harness import AppHarness, running
from tests.support.records import picture, record


@pytest.fixture
def one_picture(harness: AppHarness) -> AppHarness:
    """An app whose history holds one picture."""
    made = record("a cat", seed=7, sampler="Euler")
    harness.history.save(picture(), made, 0)
    return harness


async def at_the_picture(harness: AppHarness) -> None:
    """Focus the current picture."""
    await harness.until(lambda: harness.panes.stage.picture)
    harness.panes.stage.focus()
    await harness.settled()


async def vary(harness: AppHarness, *keys: str) -> None:
    """Press the key that varies, and those that answer."""
    await harness.press("v")
    await harness.until(lambda: isinstance(harness.app.screen, VaryScreen))
    await harness.press(*keys)


async def test_compare_of_original_and_new_opens_by_itself(one_picture: AppHarness) -> None:
    harness = one_picture
    async with running(harness):
        await at_the_picture(harness)
        await vary(harness, "s", *"ddim", "enter")
        await harness.until(lambda: isinstance(harness.app.screen, CompareScreen))
        (request,) = harness.generator.requests
        assert (request.sampler, request.seed, request.prompt) == ("DDIM", 7, "a cat")
        screen = harness.app.screen
        assert isinstance(screen, CompareScreen)
        assert [side.record.seed for side in screen.sides] == [7, 7]
        assert screen.sides[0].entry.path != screen.sides[1].entry.path
        await harness.press("escape")
        assert harness.at_main


async def test_it_opens_over_full_screen_too(one_picture: AppHarness) -> None:
    harness = one_picture
    async with running(harness):
        await at_the_picture(harness)
        await harness.press("f")
        await harness.until(lambda: isinstance(harness.app.screen, PictureScreen))
        await vary(harness, "v")
        await harness.until(lambda: isinstance(harness.app.screen, CompareScreen))
        await harness.press("escape")
        assert isinstance(harness.app.screen, PictureScreen)


async def test_a_message_comes_in_its_place_while_the_user_types(one_picture: AppHarness) -> None:
    harness = one_picture
    async with running(harness):
        await at_the_picture(harness)
        await vary(harness, "t", *"30", "enter")
        harness.panes.dock.prompt.focus()
        await harness.finished()
        await harness.until(
            lambda: any("is ready; c compares" in m for m in harness.notifications())
        )
        assert harness.at_main
        assert harness.panes.dock.prompt.has_focus
        assert harness.panes.gallery.marked


async def test_several_pictures_are_marked(one_picture: AppHarness) -> None:
    harness = one_picture
    async with running(harness):
        await at_the_picture(harness)
        await vary(harness, "c", *"3,4,5", "enter")
        await harness.until(
            lambda: any("3 variations are ready" in m for m in harness.notifications())
        )
        assert [each.guidance_scale for each in harness.generator.requests] == [3, 4, 5]
        assert harness.at_main
        assert harness.panes.gallery.marked


async def test_nothing_opens_if_no_picture_was_made(one_picture: AppHarness) -> None:
    harness = one_picture
    harness.generator.failure = GenerationError("no", "no", stage="decode")
    async with running(harness):
        await at_the_picture(harness)
        await vary(harness, "e", "enter")
        await harness.finished()
        await harness.settled()
        assert harness.at_main
        assert harness.panes.gallery.marked == ()


async def test_leaving_the_dialog_queues_nothing(one_picture: AppHarness, tmp_path: Path) -> None:
    harness = one_picture
    async with running(harness):
        await at_the_picture(harness)
        await vary(harness, "s", "e", "escape")
        assert harness.at_main
        assert harness.queue.jobs() == []
