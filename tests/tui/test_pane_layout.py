"""Panes made larger and smaller, and remembered."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdtui.tui.panes.pane import Pane
from tests.support.app_harness import AppHarness, running


def heights(bench: AppHarness) -> dict[str, int]:
    """The lines of every pane that is seen."""
    return {str(p.id): p.region.height for p in bench.app.main.query(Pane) if p.region}


async def test_a_pane_grows_at_the_cost_of_its_neighbours(bench: AppHarness) -> None:
    async with running(bench):
        log = bench.app.main.panes.log
        log.list.focus()
        before = heights(bench)
        await bench.press("alt+down", "alt+down", "alt+down")
        after = heights(bench)
        assert after["log"] == before["log"] + 3
        assert sum(after.values()) == sum(before.values())
        assert after["progress"] == before["progress"]
        await bench.press("alt+up")
        assert heights(bench)["log"] == before["log"] + 2
        await bench.press("alt+0")
        assert heights(bench) == before


@pytest.mark.parametrize("size", [(80, 24), (120, 36)])
async def test_a_pane_never_takes_all(bench: AppHarness, size: tuple[int, int]) -> None:
    async with running(bench, size):
        main = bench.app.main
        for key in ("alt+down", "alt+right"):
            await bench.press(*[key] * 40)
        await bench.settled()
        for pane in main.query(Pane):
            assert not pane.region or main.region.contains_region(pane.region)
        assert main.panes.negative.region.height >= 3
        assert main.panes.preview.region.width >= 24


async def test_a_column_grows_with_its_pane(bench: AppHarness) -> None:
    async with running(bench):
        main = bench.app.main
        before = main.panes.prompt.region.width
        await bench.press("alt+right", "alt+right")
        assert main.panes.prompt.region.width == main.panes.parameters.region.width == before + 4


async def test_sizes_are_there_again_and_each_tab_has_its_own(
    bench: AppHarness, tmp_path: Path
) -> None:
    async with running(bench):
        bench.app.main.panes.log.list.focus()
        await bench.press(*["alt+down"] * 4)
        wanted = heights(bench)
        await bench.press("ctrl+q")
    again = AppHarness(tmp_path)
    async with running(again):
        assert heights(again) == wanted
    small = AppHarness(tmp_path)
    async with running(small, (80, 24)):
        for key in ("f3", "f4", "f2"):
            await small.press(key)
            for pane in small.app.main.query(Pane):
                assert not pane.region or small.app.main.region.contains_region(pane.region)


async def test_history_and_metadata_share_their_tab(bench: AppHarness) -> None:
    async with running(bench, (80, 24)):
        await bench.press("f4")
        main = bench.app.main
        before = main.panes.history.region.width
        await bench.press("alt+right", "alt+right")
        assert main.panes.history.region.width == before + 4
        assert main.panes.history.region.height == main.panes.metadata.region.height
