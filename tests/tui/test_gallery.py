"""The gallery: search, reuse, star, tag, trash, compare, copy."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from sdtui.core import paths
from sdtui.core.enums import UNKNOWN_MODEL
from sdtui.tui.screens.compare import CompareScreen
from tests.support.app_harness import AppHarness, at_gallery
from tests.support.records import NOON, picture, record

PROMPTS = ("a large [/red] apple", "pizza, green background", "a tiger on a blue background")


@pytest.fixture
def full(harness: AppHarness) -> AppHarness:
    """An app whose history holds three pictures."""
    for number, prompt in enumerate(PROMPTS):
        timestamp = NOON + timedelta(minutes=number)
        harness.history.save(picture(), record(prompt, seed=40 + number, timestamp=timestamp), 0)
    return harness


def gallery_lines(harness: AppHarness) -> list[str]:
    """Return the text of every line of the gallery."""
    grid = harness.panes.gallery.grid
    return [grid.render_line(y).text.rstrip() for y in range(grid.size.height)]


async def test_newest_is_first_and_info_is_about_the_selected(full: AppHarness) -> None:
    async with at_gallery(full):
        main = full.app.main
        assert main.panes.gallery.total == 3
        assert main.panes.gallery.selected is not None
        assert main.panes.gallery.selected.prompt == PROMPTS[2]
        await full.press("l", "l")
        await full.until(lambda: PROMPTS[0] in main.panes.info.view.text)


async def test_list_shows_more_in_wider_lines(full: AppHarness) -> None:
    async with at_gallery(full, (80, 24)):
        await full.press("L")
        lines = gallery_lines(full)
        assert lines[0].startswith("▸   a tiger on a blue ")
        assert lines[0].endswith("22 Nov 12:02")
        assert lines[1].startswith("    pizza, green backgr")
        await full.press("s")
        await full.until(lambda: gallery_lines(full)[0].startswith("▸ ★ a tiger on a blue "))
        await full.pilot.resize_terminal(200, 40)
        await full.until(lambda: full.panes.gallery.grid.size.width > 80)
        for part in ("42", full.history.entries().entries[0].model):
            assert f" {part} " in gallery_lines(full)[0]


@pytest.mark.parametrize("key", ["enter", "s", "d", "r"])
async def test_a_picture_that_was_deleted_meanwhile_leaves_the_list(
    full: AppHarness, key: str
) -> None:
    async with at_gallery(full):
        entries = full.panes.gallery
        assert entries.selected is not None
        await full.until(lambda: full.panes.stage.view.pixel_view.pixels)  # the stage has read it
        gone = entries.selected.path
        gone.unlink()
        gone.with_suffix(".json").unlink()
        await full.press(key)
        await full.until(lambda: entries.total == 2)
        await full.settled()  # the app shows the notification when the key's action has ended
        assert full.notifications().count(f"{gone.name} is no longer there.") == 1
        assert full.panes.gallery._missing is None


async def test_search_filters_and_reports_errors(full: AppHarness) -> None:
    async with at_gallery(full):
        pane = full.panes.gallery
        await full.press("slash", *"apple")
        await full.until(lambda: pane.total == 1)
        assert "1/1 found" in full.screen_text()
        await full.press("enter")
        await full.until(lambda: pane.grid.has_focus)
        pane.search_line.value = "colour:red"
        await full.until(lambda: "there is no field" in full.screen_text())
        assert pane.selected is not None
        assert (pane.total, pane.selected.prompt) == (1, PROMPTS[0])
        await full.press("s")
        await full.until(lambda: pane.selected and pane.selected.starred)
        pane.search_line.value = "tiger"
        await full.until(lambda: pane.selected and pane.selected.prompt == PROMPTS[2])
        await full.settled()
        assert "there is no field" not in full.screen_text()
        pane.search_line.value = "[/red"
        await full.until(lambda: pane.selected and pane.selected.prompt == PROMPTS[0])
        assert "1/1 found" in full.screen_text()


class HeldBack:
    """A history in which the search for `apple` blocks until released."""

    def __init__(self, harness: AppHarness, monkeypatch: pytest.MonkeyPatch) -> None:
        self.free = threading.Event()
        self._ids = harness.history.ids
        monkeypatch.setattr(harness.history, "ids", self._held_back)

    def _held_back(self, query: str) -> Sequence[int]:
        if query == "apple":
            self.free.wait(30)
        return self._ids(query)


@pytest.fixture
def held(full: AppHarness, monkeypatch: pytest.MonkeyPatch) -> HeldBack:
    return HeldBack(full, monkeypatch)


async def test_keys_after_a_search_act_on_its_results(full: AppHarness, held: HeldBack) -> None:
    async with at_gallery(full):
        pane = full.panes.gallery
        await full.press("slash", *"apple", "enter", "s")
        assert not pane.grid.has_focus
        assert pane.search_line.value == "apple"
        held.free.set()
        await full.until(lambda: pane.selected and pane.selected.starred)
        assert pane.grid.has_focus
        assert pane.selected is not None
        assert pane.selected.prompt == PROMPTS[0]
        assert [entry.prompt for entry in full.history.entries("star:yes").entries] == [PROMPTS[0]]


async def test_older_read_does_not_replace_a_newer_one(
    full: AppHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with at_gallery(full):
        pane, free, read = full.panes.gallery, threading.Event(), full.history.ids

        def early(query: str) -> Sequence[int]:
            ids = read(query)
            free.wait(30)
            return ids

        monkeypatch.setattr(full.history, "ids", early)
        pane.reload()
        await full.settled()
        monkeypatch.setattr(full.history, "ids", read)
        await full.press("d")
        await full.until(lambda: pane.total == 2)
        free.set()
        await full.until(full.list_is_read)
        assert pane.total == 2


async def test_search_overtaken_by_a_reload_is_still_shown(
    full: AppHarness, held: HeldBack
) -> None:
    async with at_gallery(full):
        pane = full.panes.gallery
        pane.search_line.value = "apple"  # at once: nothing is found for its beginnings
        await full.settled()
        full.history.trash(full.history.entries("pizza").entries[0].id)
        pane.reload()
        await full.until(lambda: pane.total == 2)
        held.free.set()
        await full.until(lambda: pane.total == 1)
        await full.until(full.list_is_read)
        assert pane.selected is not None
        assert pane.selected.prompt == PROMPTS[0]


async def test_search_changed_while_the_list_waits_is_run_too(
    full: AppHarness, held: HeldBack
) -> None:
    async with at_gallery(full):
        pane = full.panes.gallery
        await full.press("slash", *"apple", "enter")
        pane.search_line.value = "pizza"
        await full.settled()
        held.free.set()
        await full.until(lambda: pane.selected and pane.selected.prompt == PROMPTS[1])


async def test_reuse_brings_everything_and_vary_leaves_the_seed_open(full: AppHarness) -> None:
    async with at_gallery(full):
        main = full.app.main
        await full.press("l", "r")
        await full.until(lambda: main.panes.dock.prompt.text == PROMPTS[1])
        assert full.texts["seed"] == "41"
        await full.until(lambda: main.panes.dock.prompt.has_focus)
        await full.press("f4")
        await full.until(lambda: main.panes.gallery.grid.has_focus)
        await full.press("R")
        await full.until(lambda: full.texts["seed"] == "")


async def test_reuse_keeps_every_digit_and_an_unknown_model_keeps_the_forms(
    harness: AppHarness,
) -> None:
    saved = record("a cat", model=UNKNOWN_MODEL)
    request = saved.request.changed(guidance_scale=3.14159265)
    harness.history.save(picture(), saved.model_copy(update={"request": request}), 0)
    async with at_gallery(harness):
        main = harness.app.main
        await harness.press("r")
        await harness.until(lambda: main.panes.dock.prompt.text == "a cat")
        assert harness.texts["guidance_scale"] == "3.14159265"
        assert harness.texts["model"] == "pocket"
        assert harness.notifications()


async def test_a_picture_becomes_the_init_image(full: AppHarness) -> None:
    async with at_gallery(full):
        await full.press("i")
        await full.until(lambda: full.texts["init_image"].endswith(".png"))


async def test_star_tag_trash_and_undo(full: AppHarness) -> None:
    async with at_gallery(full):
        pane = full.panes.gallery
        await full.press("s")
        await full.until(lambda: pane.selected and pane.selected.starred)
        await full.press("t")
        await full.press(*"cat", "enter")
        await full.until(lambda: pane.selected and pane.selected.tags == ("cat",))
        await full.press("d")
        await full.until(lambda: pane.total == 2)
        await full.press("u")
        await full.until(lambda: pane.total == 3)
        assert full.history.stats().trashed == 0


async def test_quick_keys_act_on_the_result_of_the_previous_key(full: AppHarness) -> None:
    async with at_gallery(full):
        entries = full.panes.gallery
        assert entries.selected is not None
        first = entries.selected.path
        await full.press("d", "d", "u", "s", "s", "f2")
        await full.until(lambda: full.panes.dock.prompt.has_focus)
        assert entries.total == 2
        assert full.history.stats().trashed == 1
        assert not first.exists()
        assert entries.selected is not None
        assert not entries.selected.starred
        assert full.notifications() == ["Undone: trashed 1 picture."]


async def test_the_cursor_stays_on_its_picture(full: AppHarness) -> None:
    async with at_gallery(full):
        pane = full.panes.gallery
        for place, prompt, count in ((1, PROMPTS[1], 4), (3, PROMPTS[0], 5)):
            pane.grid.cursor = place
            later = NOON + timedelta(hours=count)
            full.history.save(picture(), record("one more", timestamp=later), 0)
            pane.reload()
            await full.until(lambda: pane.total == count)  # noqa: B023
            assert pane.selected is not None
            assert pane.selected.prompt == prompt


async def test_cursor_on_the_newest_follows_new_pictures(full: AppHarness) -> None:
    async with at_gallery(full):
        pane = full.panes.gallery
        await full.press("l", "home")
        full.history.save(picture(), record("one more", timestamp=NOON + timedelta(hours=1)), 0)
        pane.reload()
        await full.until(lambda: pane.selected and pane.selected.prompt == "one more")


async def test_a_chosen_picture_is_seen_while_another_one_forms(
    full: AppHarness,
) -> None:
    full.generator.hold.set()
    async with at_gallery(full):
        preview = full.panes.stage
        await full.generate("four", num_images_per_prompt="4")
        await full.until(lambda: full.progress.is_running)
        await full.press("f4", "l")
        await full.until(lambda: preview.picture)
        shown = preview.picture
        full.generator.hold.clear()
        await full.finished()
        assert preview.picture == shown


async def test_the_picture_with_the_cursor_is_on_the_stage(full: AppHarness) -> None:
    async with at_gallery(full):
        await full.press("l")
        await full.until(lambda: full.panes.stage.picture)


@pytest.mark.parametrize(("key", "prompt", "seed"), [("1", 2, "42"), ("2", 1, "41")])
async def test_one_of_two_compared_pictures_is_made_again(
    full: AppHarness, key: str, prompt: int, seed: str
) -> None:
    async with at_gallery(full, (80, 24)):
        await full.press("c", "l", "c")
        await full.until(lambda: isinstance(full.app.screen, CompareScreen))
        await full.press(key, "r")
        await full.until(lambda: full.texts["seed"] == seed)
        assert full.panes.dock.prompt.text == PROMPTS[prompt]
        assert full.panes.dock.prompt.has_focus


async def test_copies_go_to_a_file_as_well(full: AppHarness) -> None:
    of_keys = {
        "yy": ".png",
        "yp": PROMPTS[2],
        "yj": '"prompt": ',
        "Y": PROMPTS[2],
        "M": '"prompt": ',
    }
    async with at_gallery(full):
        copied = paths.state_folder() / "copied.txt"
        for keys, expected in of_keys.items():
            await full.press(*keys)
            await full.until(copied.exists)
            assert expected in copied.read_text(), keys
            copied.unlink()


async def test_moving_far_requests_only_visible_pages(harness: AppHarness) -> None:
    for number in range(250):
        timestamp = NOON + timedelta(seconds=number)
        harness.history.save(picture(8, 8), record(f"picture {number}", timestamp=timestamp), 0)
    async with at_gallery(harness):
        pane = harness.panes.gallery
        await harness.press("G")
        await harness.until(lambda: pane.selected and pane.selected.prompt == "picture 0")


async def test_a_foreign_escape_sequence_shows_as_text(harness: AppHarness, tmp_path: Path) -> None:
    harness.history.save(picture(), record("evil \x1b[2J [/b] prompt"), 0)
    async with at_gallery(harness):
        await harness.until(lambda: "evil" in harness.app.export_screenshot())
        assert "\x1b" not in harness.screen_text()
