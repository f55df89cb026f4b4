"""Grids in the app: asking for the axes, the queue, the gallery."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from sdtui.requests.grids import Grid
from sdtui.requests.request import GenerationRequest
from sdtui.tui.grids import as_grid
from sdtui.tui.screens.grid import GridScreen
from sdtui.tui.screens.vary import VaryScreen
from sdtui.tui.themed_app import ThemedApp
from sdtui.tui.widgets.status_line import StatusLine
from tests.support.app_harness import AppHarness, running
from tests.support.keyboard import press, settled
from tests.support.records import picture, record

REQUEST = GenerationRequest(prompt="a cat on a mat", seed=7)


class GridApp(ThemedApp):
    def __init__(self) -> None:
        super().__init__()
        self.answers: list[Grid | None] = []

    def on_mount(self) -> None:
        self.push_screen(GridScreen("a.png", REQUEST, ("", "", "")), self.answers.append)

    @property
    def status(self) -> str:
        return str(self.screen.query_one(StatusLine).render())


@asynccontextmanager
async def asking() -> AsyncIterator[GridApp]:
    app = GridApp()
    async with app.run_test(size=(80, 24)):
        await settled(app)
        yield app


async def test_up_and_down_go_through_the_axes() -> None:
    async with asking() as app:
        await press(app, *"t=1,2", "down", *"c=5,7", "down", *"seed=1,2", "up", *",9")
        assert app.status == "2 × 3 × 2: 12 pictures"


async def test_letters_and_values_of_two_axes_are_a_grid() -> None:
    async with asking() as app:
        await press(app, *"t=10-30 [3]", "tab", *"p=cat,dog")
        assert app.status == "3 × 2: 6 pictures"
        await press(app, "enter")
        (grid,) = app.answers
        assert grid is not None
        assert [axis.kind.label for axis in grid.axes] == ["Steps", "Prompt S/R", "Nothing"]
        assert len(grid.cells) == 6


async def test_any_name_of_a_field_is_an_axis() -> None:
    async with asking() as app:
        await press(app, *"clip skip=1,2", "enter")
        (grid,) = app.answers
        assert grid is not None
        assert [cell.request.encoding.clip_skip for cell in grid.cells] == [1, 2]


@pytest.mark.parametrize(
    ("typed", "problem"),
    [
        ("t=10,999", "X axis, Steps: must be at most 150, not 999."),
        ("t", "takes AXIS=VALUES"),
        ("p=bird,dog", "neither in the prompt"),
    ],
)
async def test_what_is_wrong_is_said_and_keeps_the_dialog_open(typed: str, problem: str) -> None:
    async with asking() as app:
        await press(app, *typed, "enter")
        assert problem in app.status
        assert app.screen.query_one(StatusLine).has_class("-wrong")
        assert app.answers == []


async def test_without_an_axis_the_grammar_is_shown() -> None:
    async with asking() as app:
        assert "10-30 [3]" in app.status
        await press(app, "enter")
        assert app.answers == []
        await press(app, "escape")
        assert app.answers == [None]


def test_requests_that_differ_in_one_field_are_a_grid() -> None:
    requests = [REQUEST.changed(guidance_scale=value) for value in (3, 7.5)]
    grid = as_grid(requests)
    assert grid is not None
    assert grid.axes[0].record.captions == ("CFG Scale: 3", "CFG Scale: 7.5")
    assert [cell.request for cell in grid.cells] == requests


def test_requests_that_differ_in_their_size_are_a_grid() -> None:
    grid = as_grid([REQUEST.changed(width=64, height=each) for each in (64, 128)])
    assert grid is not None
    assert grid.axes[0].values == ("64x64", "64x128")


def test_one_request_or_several_differences_are_no_grid() -> None:
    assert as_grid([REQUEST]) is None
    assert as_grid([REQUEST, REQUEST.changed(seed=1, guidance_scale=2)]) is None


@pytest.fixture
def one_picture(harness: AppHarness) -> AppHarness:
    """An app whose history holds one picture."""
    harness.history.save(picture(), record("a cat", seed=7, sampler="Euler"), 0)
    return harness


async def _at_the_picture(harness: AppHarness) -> None:
    await harness.until(lambda: harness.panes.stage.picture)
    harness.panes.stage.focus()
    await harness.settled()


def _found(harness: AppHarness, query: str) -> int:
    harness.history.refresh()
    return harness.history.entries(query).total


async def test_varying_over_a_range_makes_a_grid_with_a_sheet(one_picture: AppHarness) -> None:
    harness = one_picture
    async with running(harness):
        await _at_the_picture(harness)
        await harness.press("v")
        await harness.until(lambda: isinstance(harness.app.screen, VaryScreen))
        await harness.press("t", *"2-6 [3]", "enter")
        await harness.until(lambda: _found(harness, "sheet:yes") == 1)
        steps = [request.num_inference_steps for request in harness.generator.requests]
        assert steps == [2, 4, 6]
        assert _found(harness, "grid:yes") == 4


async def test_a_grid_of_a_picture_is_queued_and_cancelled_as_one(
    one_picture: AppHarness,
) -> None:
    harness = one_picture
    harness.generator.hold.set()
    async with running(harness):
        await _at_the_picture(harness)
        await harness.press("X")
        await harness.until(lambda: isinstance(harness.app.screen, GridScreen))
        await harness.press(*"t=1-4", "enter")
        queue = harness.app.backend.jobs
        await harness.until(lambda: len(queue.jobs()) == 4)
        harness.app.main.window.show_tab("queue")
        harness.panes.queue.list.focus()
        await harness.settled()
        await harness.until(lambda: "Steps: 2" in harness.screen_text())
        await harness.press("D")
        await harness.until(lambda: all(job.state.is_over for job in queue.jobs()))
        harness.generator.hold.clear()


async def test_a_grid_of_the_recipe_is_asked_for_by_its_key(harness: AppHarness) -> None:
    async with running(harness):
        await harness.press(*"a cat", "ctrl+o", "v")
        await harness.until(lambda: isinstance(harness.app.screen, GridScreen))
        await harness.press(*"t=1,2", "enter")
        await harness.until(lambda: _found(harness, "sheet:yes") == 1)
        assert [request.prompt for request in harness.generator.requests] == ["a cat"] * 2
