"""Panes are resized, and their sizes are saved."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdtui.tui.panes.pane import Pane
from tests.support.app_harness import AppHarness, running


def heights(harness: AppHarness) -> dict[str, int]:
    """Return the height of every visible pane."""
    return {str(p.id): p.region.height for p in harness.app.main.query(Pane) if p.region}


async def test_a_pane_grows_at_the_cost_of_its_neighbours(harness: AppHarness) -> None:
    async with running(harness):
        log = harness.panes.log
        log.list.focus()
        before = heights(harness)
        await harness.press("alt+down", "alt+down", "alt+down")
        after = heights(harness)
        assert after["log"] == before["log"] + 3
        assert sum(after.values()) == sum(before.values())
        assert after["progress"] == before["progress"]
        await harness.press("alt+up")
        assert heights(harness)["log"] == before["log"] + 2
        await harness.press("alt+0")
        assert heights(harness) == before


@pytest.mark.parametrize("size", [(80, 24), (120, 36)])
async def test_a_pane_never_takes_all(harness: AppHarness, size: tuple[int, int]) -> None:
    async with running(harness, size):
        main = harness.app.main
        for key in ("alt+down", "alt+right"):
            await harness.press(*[key] * 40)
        await harness.settled()
        for pane in main.query(Pane):
            assert not pane.region or main.region.contains_region(pane.region)
        assert main.panes.dock.negative.region.height >= 3
        assert main.panes.stage.region.width >= 24


async def test_a_column_grows_with_its_pane(harness: AppHarness) -> None:
    async with running(harness):
        main = harness.app.main
        before = main.panes.dock.prompt.region.width
        await harness.press("alt+right", "alt+right")
        assert main.panes.dock.prompt.region.width == main.panes.recipe.region.width == before + 4


async def test_sizes_are_there_again_and_each_tab_has_its_own(
    harness: AppHarness, tmp_path: Path
) -> None:
    async with running(harness):
        harness.panes.log.list.focus()
        await harness.press(*["alt+down"] * 4)
        wanted = heights(harness)
        await harness.press("ctrl+q")
    again = AppHarness(tmp_path)
    async with running(again):
        assert heights(again) == wanted
    small = AppHarness(tmp_path)
    async with running(small, (80, 24)):
        for key in ("f3", "f4", "f2"):
            await small.press(key)
            for pane in small.app.main.query(Pane):
                assert not pane.region or small.app.main.region.contains_region(pane.region)


async def test_history_and_metadata_share_their_tab(harness: AppHarness) -> None:
    async with running(harness, (80, 24)):
        await harness.press("f4")
        main = harness.app.main
        before = main.panes.gallery.region.width
        await harness.press("alt+right", "alt+right")
        assert main.panes.gallery.region.width == before + 4
        assert main.panes.gallery.region.height == main.panes.info.region.height
