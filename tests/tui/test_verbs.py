"""Every verb of pictures has its effect in the gallery, on the stage, in full screen and in
compare."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest
from PIL import Image

from sdtui.core import paths
from sdtui.history import Entry
from sdtui.tui.images.pixel_view import PixelView
from sdtui.tui.screens.compare import CompareScreen
from sdtui.tui.screens.dialogs import AskScreen
from sdtui.tui.screens.picture import PictureScreen
from sdtui.tui.screens.vary import VaryScreen
from sdtui.tui.screens.which_key import WhichKeyScreen
from tests.support.app_harness import AppHarness, running
from tests.support.records import NOON, record

Check = Callable[[AppHarness, Entry], Awaitable[None]]
PROMPTS = ("a dog", "a cow", "a cat")


@pytest.fixture
def three(harness: AppHarness) -> AppHarness:
    """An app whose history holds three pictures; the newest is of a cat, with seed 2."""
    for number, prompt in enumerate(PROMPTS):
        made = record(prompt, seed=number, timestamp=NOON + timedelta(minutes=number))
        harness.history.save(Image.new("RGB", (64, 64), "navy"), made, 0)
    return harness


async def in_gallery(app: AppHarness) -> None:
    app.panes.gallery.grid.focus()
    await app.until(lambda: app.panes.gallery.selected)


async def on_stage(app: AppHarness) -> None:
    await app.until(lambda: app.panes.stage.picture)
    app.panes.stage.focus()


async def in_full_screen(app: AppHarness) -> None:
    await in_gallery(app)
    await app.press("f")
    await app.until(lambda: isinstance(app.app.screen, PictureScreen))


async def in_compare(app: AppHarness) -> None:
    """Compare the newest with the one before; the keys of pictures mean the newest."""
    await in_gallery(app)
    await app.press("c", "right", "c")
    await app.until(lambda: isinstance(app.app.screen, CompareScreen))
    await app.press("1")
    await app.until(lambda: all(view.pixels for view in app.app.screen.query(PixelView)[:2]))


PLACES = (in_gallery, on_stage, in_full_screen, in_compare)


async def stars_and_takes_it_back(app: AppHarness, entry: Entry) -> None:
    await app.press("s")
    await app.until(lambda: app.history.get(entry.id).starred)
    await app.press("u")
    await app.until(lambda: not app.history.get(entry.id).starred)


async def trashes(app: AppHarness, entry: Entry) -> None:
    await app.press("d")
    await app.until(lambda: app.history.entries().total == len(PROMPTS) - 1)
    assert entry.id not in [each.id for each in app.history.entries().entries]
    await app.until(lambda: not isinstance(app.app.screen, CompareScreen))


async def tags(app: AppHarness, entry: Entry) -> None:
    await app.press("t")
    await app.until(lambda: isinstance(app.app.screen, AskScreen))
    await app.write("night")
    await app.press("enter")
    await app.until(lambda: app.history.get(entry.id).tags == ("night",))


async def starts_from_it(app: AppHarness, entry: Entry) -> None:
    await app.press("i")
    await app.until(lambda: app.texts["init_image"] == str(entry.path))


async def reuses_it(app: AppHarness, entry: Entry) -> None:
    await app.press("r")
    await app.until(lambda: app.texts["prompt"] == entry.prompt)
    assert app.texts["seed"] == str(entry.seed)
    assert app.at_main


async def reuses_it_with_a_new_seed(app: AppHarness, entry: Entry) -> None:
    await app.press("R")
    await app.until(lambda: app.texts["prompt"] == entry.prompt)
    assert app.texts["seed"] == ""
    assert app.at_main


async def varies_it(app: AppHarness, entry: Entry) -> None:
    """The steps; the two are compared once the new one is made."""
    await app.press("v")
    await app.until(lambda: isinstance(app.app.screen, VaryScreen))
    await app.press("t", "7", "enter")
    await app.until(lambda: app.generator.requests)
    (request,) = app.generator.requests
    assert (request.prompt, request.seed) == (entry.prompt, entry.seed)
    assert request.num_inference_steps == 7
    await app.until(lambda: app.history.entries().total == len(PROMPTS) + 1)
    await app.until(lambda: isinstance(app.app.screen, CompareScreen))


async def copies_the_path(app: AppHarness, entry: Entry) -> None:
    await app.press("y")
    await app.until(lambda: isinstance(app.app.screen, WhichKeyScreen))
    await app.press("y")
    await app.until(lambda: app.app.clipboard == str(entry.path))


async def exports_it(app: AppHarness, entry: Entry) -> None:
    await app.press("e")
    await app.until(lambda: isinstance(app.app.screen, AskScreen))
    await app.press("enter")
    await app.until(lambda: list(paths.home_folder().glob("pictures-*.zip")))


async def marks_it(app: AppHarness, entry: Entry) -> None:
    await app.press("space")
    await app.until(lambda: [each.id for each in app.panes.gallery.marked] == [entry.id])


async def compares_it_with_the_next(app: AppHarness, entry: Entry) -> None:
    await app.press("c", "right", "c")
    await app.until(lambda: isinstance(app.app.screen, CompareScreen))
    assert entry.path.name in app.screen_text()


async def lists_the_trash(app: AppHarness, entry: Entry) -> None:
    await trashes(app, entry)
    await app.press("T")
    await app.until(lambda: app.panes.gallery.is_trash and app.panes.gallery.total == 1)


async def opens_it_in_full(app: AppHarness, entry: Entry) -> None:
    await app.press("enter")
    await app.until(lambda: isinstance(app.app.screen, PictureScreen))


EVERYWHERE = (
    stars_and_takes_it_back,
    tags,
    starts_from_it,
    reuses_it,
    reuses_it_with_a_new_seed,
    varies_it,
    copies_the_path,
    exports_it,
)
CASES = [
    *((place, effect) for place in PLACES for effect in EVERYWHERE),
    *((place, effect) for place in PLACES[:3] for effect in (marks_it, compares_it_with_the_next)),
    *((place, lists_the_trash) for place in PLACES[:3]),
    (in_compare, trashes),
    *((place, opens_it_in_full) for place in PLACES[:2]),
]
"""Marking and comparing make no sense in compare, where two pictures are compared already."""


@pytest.mark.parametrize(
    ("go_to", "has_effect"),
    [pytest.param(*case, id=f"{case[0].__name__}-{case[1].__name__}") for case in CASES],
)
async def test_verb_has_its_effect(
    three: AppHarness,
    go_to: Callable[[AppHarness], Awaitable[None]],
    has_effect: Check,
    own_folders: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HOME", str(own_folders))  # where files are exported to
    async with running(three):
        await go_to(three)
        await has_effect(three, three.history.entries().entries[0])


async def test_full_screen_is_offered_once_there_is_a_picture(harness: AppHarness) -> None:
    async with running(harness):
        await harness.press("ctrl+o", "1")
        assert "⏎ View" not in harness.screen_text()
        await harness.generate()
        await harness.finished()
        await harness.press("ctrl+o", "1")
        await harness.until(lambda: "⏎ View" in harness.screen_text())
