"""Parts of the window are resized, and their sizes are saved."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
from textual.dom import DOMNode

from sdtui.tui.panes.pane import Pane
from tests.support.app_harness import AppHarness, running


async def test_stage_grows_at_the_cost_of_the_shelf(harness: AppHarness) -> None:
    async with running(harness):
        stage, gallery = harness.panes.stage, harness.panes.gallery
        before, shelf = stage.region.width, gallery.region.width
        await harness.press("tab", "greater_than_sign", "greater_than_sign")
        assert (stage.region.width, gallery.region.width) == (before + 4, shelf - 4)
        await harness.press("less_than_sign")
        assert stage.region.width == before + 2
        await harness.press("alt+0")
        assert stage.region.width == before


async def test_divider_is_dragged(harness: AppHarness) -> None:
    async with running(harness):
        stage = harness.panes.stage
        divider = stage.region.right
        await harness.pilot.mouse_down(offset=(divider, 5))
        await harness.pilot.hover(offset=(divider - 8, 5))
        await harness.pilot.mouse_up(offset=(divider - 8, 5))
        await harness.settled()
        assert stage.region.width == divider - 8


async def test_prompt_gets_more_rows(harness: AppHarness) -> None:
    async with running(harness):
        prompt, stage = harness.panes.dock.prompt, harness.panes.stage
        rows, lines = prompt.region.height, stage.region.height
        await harness.press("alt+down", "alt+down")
        assert (prompt.region.height, stage.region.height) == (rows + 2, lines - 2)
        await harness.press("alt+up")
        assert prompt.region.height == rows + 1


@pytest.mark.parametrize("size", [(60, 20), (80, 24), (120, 36)])
async def test_no_part_takes_all(harness: AppHarness, size: tuple[int, int]) -> None:
    async with running(harness, size):
        main = harness.app.main
        for key in ("alt+down", "alt+up", "alt+right", "alt+left"):
            main.action_usual_sizes()
            await harness.press(*[key] * 40)
            for pane in main.query(Pane):
                assert not pane.region or main.region.contains_region(pane.region), key
            assert main.panes.stage.region.width >= 16
            assert main.panes.stage.region.height >= 4
            assert main.panes.gallery.region.width >= 33


async def test_sizes_are_saved(harness: AppHarness, tmp_path: Path) -> None:
    async with running(harness):
        await harness.press("alt+right", "alt+right", "alt+down")
        stage, prompt = harness.panes.stage.region.width, harness.panes.dock.prompt.region.height
        await harness.press("ctrl+q")
    again = AppHarness(tmp_path)
    async with running(again):
        assert again.panes.stage.region.width == stage
        assert again.panes.dock.prompt.region.height == prompt


@pytest.mark.parametrize(
    ("width", "expected"),
    [
        (60, "[1 Gallery] 2 3 4 5"),
        (80, "[1 Gallery] 2 Recipe 3 Queue 4 Info 5 Log"),
        (120, "[1 Gallery]  2 Recipe   3 Queue   4 Info   5 Log"),
    ],
)
async def test_tabs_are_named_as_far_as_they_fit(
    harness: AppHarness, width: int, expected: str
) -> None:
    async with running(harness, (width, 24)):
        assert harness.app.main.tabs.render_line(0).text.rstrip() == expected


async def test_start_applies_no_styles_again_and_another_tab_does_once(
    harness: AppHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    updated: list[DOMNode] = []
    apply = harness.app.stylesheet.update_nodes

    def record(nodes: Iterable[DOMNode], animate: bool = False) -> None:
        listed = list(nodes)
        updated.extend(listed)
        apply(listed, animate)

    monkeypatch.setattr(harness.app.stylesheet, "update_nodes", record)
    async with running(harness):
        assert harness.panes.recipe not in updated
        harness.app.main.window.show_tab("log")
        assert updated.count(harness.panes.recipe) == 1
