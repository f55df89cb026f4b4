"""The trees of a picture in the app."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from sdtui.tui.controllers.lineage import LineageController
from sdtui.tui.screens.search_dialog import ChooseScreen
from tests.support.app_harness import AppHarness, at_gallery
from tests.support.records import NOON, picture, record


def family(harness: AppHarness) -> None:
    """Save a picture, and another that was made from it and a mask."""
    first = harness.history.save(picture(), record("the first"), 0)
    about = record("the second", timestamp=NOON + timedelta(minutes=1), init_image=first.path)
    parents = (first.record.images[0].sha256 or "", "f" * 64)
    made = about.model_copy(update={"parents": parents})
    harness.history.save(picture(colour="red"), made, 0)


async def test_origin_is_a_tree_from_which_a_picture_is_chosen(
    own_folders: Path, harness: AppHarness
) -> None:
    family(harness)
    async with at_gallery(harness):
        assert harness.panes.gallery.selected.prompt == "the second"  # type: ignore[union-attr]
        await harness.press("o")
        await harness.until(lambda: isinstance(harness.app.screen, ChooseScreen))
        text = harness.screen_text()
        assert "┌─ ffffffffffff… (not in the history)" in text
        assert "├─ text to image · the first" in text
        assert "▸ image to image · the second" in text
        await harness.press("up", "enter")
        await harness.until(
            lambda: (
                harness.panes.gallery.selected
                and harness.panes.gallery.selected.prompt == "the first"
            )
        )
        await harness.press("o")
        await harness.until(lambda: isinstance(harness.app.screen, ChooseScreen))
        assert "└─ image to image · the second" in harness.screen_text()
        await harness.press("escape")
        assert harness.at_main


async def test_picture_that_a_search_hides_is_gone_to(
    own_folders: Path, harness: AppHarness
) -> None:
    family(harness)
    async with at_gallery(harness):
        gallery = harness.panes.gallery
        gallery.search("second")
        await harness.until(lambda: gallery.total == 1)
        first = harness.history.entries("first").entries[0]
        gallery.go_to(first.id)
        await harness.until(lambda: gallery.selected and gallery.selected.id == first.id)
        assert gallery.total == 2


async def test_picture_without_relatives_says_so(own_folders: Path, harness: AppHarness) -> None:
    harness.history.save(picture(), record("alone"), 0)
    async with at_gallery(harness):
        await harness.press("o")
        await harness.until(lambda: "no other picture" in harness.last_notification)
        assert harness.at_main


async def test_tree_of_several_steps_is_indented(own_folders: Path, harness: AppHarness) -> None:
    sha256 = ""
    for number, name in enumerate(("first", "second", "third")):
        about = record(f"the {name}", timestamp=NOON + timedelta(minutes=number))
        made = about.model_copy(update={"parents": (sha256,) if sha256 else ()})
        saved = harness.history.save(picture(colour=("red", "blue", "navy")[number]), made, 0)
        sha256 = saved.record.images[0].sha256 or ""
    async with at_gallery(harness):
        await harness.press("o")
        await harness.until(lambda: isinstance(harness.app.screen, ChooseScreen))
        text = harness.screen_text()
        places = [line.index("┌─") for line in text.splitlines() if "┌─" in line]
        assert places[0] == places[1] + 3


async def test_pictures_in_the_trash_have_no_origin() -> None:
    said: list[str] = []
    context: Any = SimpleNamespace(notify=said.append)
    gallery: Any = SimpleNamespace(is_trash=True)
    entry: Any = None
    await LineageController(context, gallery).show(entry)
    assert said == ["The history hasn't got what is in the trash: u restores it."]
