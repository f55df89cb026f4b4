"""What the gallery's keys do: moving, marking, following, the trash, saved searches."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from sdtui.tui.gallery.order import FORMING
from sdtui.tui.saved_searches import saved_searches
from sdtui.tui.screens.dialogs import AskScreen, ConfirmScreen
from sdtui.tui.screens.search_dialog import ChooseScreen
from tests.support.app_harness import AppHarness, at_gallery
from tests.support.records import NOON, picture, record


@pytest.fixture
def full(harness: AppHarness) -> AppHarness:
    """A history of a job of four pictures (seeds 10 to 13), and six single ones before it (1 to
    6, each of its own prompt)."""
    for seed in range(1, 7):
        run = record(f"prompt {seed}", seed=seed, timestamp=NOON + timedelta(minutes=seed))
        harness.history.save(picture(), run, 0)
    job = record("a tiger", seed=10, pictures=4, timestamp=NOON + timedelta(hours=1))
    for index in range(4):
        harness.history.save(picture(), job, index)
    return harness


def seed(harness: AppHarness) -> int | None:
    selected = harness.panes.gallery.selected
    return None if selected is None else selected.seed


def marked(harness: AppHarness) -> list[int | None]:
    return [entry.seed for entry in harness.panes.gallery.marked]


def starred(harness: AppHarness) -> list[int]:
    return sorted(each.seed or 0 for each in harness.history.entries("star:yes").entries)


async def test_keys_move_from_picture_to_picture_and_from_row_to_row(full: AppHarness) -> None:
    async with at_gallery(full, (80, 24)):
        assert seed(full) == 10  # the first of the newest job
        for key, expected in (
            *(("l", 11), ("down", 5), ("j", 1), ("k", 5), ("l", 4), ("right", 3), ("up", 13)),
            *(("h", 12), ("left", 11), ("end", 1), ("home", 10), ("G", 1), ("g", 10)),
            *(("pagedown", 2), ("pageup", 10), ("ctrl+d", 2), ("ctrl+u", 10)),
        ):
            await full.press(key)
            assert seed(full) == expected, key


async def test_space_marks_and_verbs_mean_all_marked_pictures(full: AppHarness) -> None:
    async with at_gallery(full, (80, 24)):
        gallery = full.panes.gallery
        await full.press("l", "space", "space")
        assert marked(full) == [11, 12]
        assert "2 marked" in full.screen_text()
        await full.press("s")
        await full.until(lambda: starred(full) == [11, 12])
        await full.press("u")
        await full.until(lambda: starred(full) == [])
        await full.until(lambda: full.notifications()[-1:] == ["Undone: starred 2 pictures."])
        assert marked(full) == [11, 12]
        await full.press("R")
        current = gallery.selected
        assert current is not None
        await full.until(lambda: full.texts["prompt"] == current.prompt)
        assert current.id not in gallery.grid.marked
        await full.press("escape", "f4")
        await full.press("d")
        await full.until(lambda: gallery.total == 8)
        assert marked(full) == []
        await full.until(lambda: seed(full) == 13)
        await full.press("u")
        await full.until(lambda: gallery.total == 10)
        assert full.history.stats().trashed == 0


async def test_star_of_marked_pictures_completes_those_that_have_none(full: AppHarness) -> None:
    async with at_gallery(full, (80, 24)):
        await full.press("s", "space", "space")
        await full.until(lambda: marked(full) == [10, 11])
        await full.press("s")
        await full.until(lambda: starred(full) == [10, 11])
        await full.press("u")
        await full.until(lambda: starred(full) == [10])
        await full.press("u")
        await full.until(lambda: starred(full) == [])
        await full.press("u")
        nothing = "Nothing was changed since the start."
        await full.until(lambda: full.notifications()[-1:] == [nothing])


async def test_tags_are_undone(full: AppHarness) -> None:
    async with at_gallery(full, (80, 24)):
        assert full.panes.gallery.selected
        newest = full.panes.gallery.selected.id
        full.history.tag(newest, "old", "both")
        full.panes.gallery.reload()
        await full.until(lambda: full.panes.gallery.selected and full.panes.gallery.selected.tags)
        await full.press("t", *"new both -old", "enter")
        await full.until(lambda: full.history.get(newest).tags == ("both", "new"))
        await full.settled()
        await full.press("u")
        await full.until(lambda: full.history.get(newest).tags == ("both", "old"))


async def test_ranges_are_marked_by_v_and_by_shift(full: AppHarness) -> None:
    async with at_gallery(full, (80, 24)):
        await full.press("end", "V", "k", "V")
        await full.until(lambda: sorted(marked(full), key=str) == [1, 2, 3, 4, 5])
        await full.press("escape")
        assert marked(full) == []
        await full.press("end", "shift+left", "shift+left")
        await full.until(lambda: sorted(marked(full), key=str) == [1, 2, 3])
        await full.press("escape", "home", "shift+down")
        await full.until(lambda: sorted(marked(full), key=str) == [10, 11, 12, 13, 6])


async def test_marked_pictures_are_exported(full: AppHarness, tmp_path: Path) -> None:
    target = tmp_path / "chosen.zip"
    async with at_gallery(full, (80, 24)):
        await full.press("space", "home", "l", "space", "e")
        screen = full.app.screen
        assert isinstance(screen, AskScreen)
        await full.press("ctrl+a", "ctrl+k", *str(target), "enter")
        await full.until(target.exists)
        await full.until(lambda: full.notifications()[-1:] == [f"2 pictures written to {target}"])
        assert f"Writing 2 pictures to {target} …" in full.notifications()
    with zipfile.ZipFile(target) as archive:
        assert len(archive.namelist()) == 4


async def test_cursor_follows_the_running_job_until_it_is_moved(full: AppHarness) -> None:
    full.generator.hold.set()
    async with at_gallery(full, (80, 24)):
        gallery = full.panes.gallery
        await full.generate("a dog", num_images_per_prompt="2")
        await full.until(lambda: gallery.grid.selected == FORMING)
        assert gallery.selected is None
        assert gallery.grid.order.ids[0] == FORMING
        assert "now · a dog ×2" in full.screen_text()
        await full.press("l")
        await full.until(lambda: seed(full) == 10)
        full.generator.hold.clear()
        await full.finished()
        await full.until(lambda: gallery.total == 12 and FORMING not in gallery.grid.order.ids)
        assert seed(full) == 10  # the user has moved it
        await full.press("home")
        assert gallery.selected is not None
        assert gallery.selected.prompt == "a dog"


async def test_cursor_is_on_the_first_picture_of_the_job_when_it_is_done(full: AppHarness) -> None:
    async with at_gallery(full, (80, 24)):
        gallery = full.panes.gallery
        await full.generate("a dog", num_images_per_prompt="2")
        await full.finished()
        await full.until(lambda: gallery.total == 12 and gallery.selected)
        await full.until(lambda: gallery.selected and gallery.selected.prompt == "a dog")
        assert gallery.grid.cursor == 0
        assert gallery.grid.selected == full.history.ids()[1]


async def test_a_job_that_the_user_queues_is_followed_if_none_runs(full: AppHarness) -> None:
    async with at_gallery(full, (80, 24)):
        gallery = full.panes.gallery
        await full.press("l", "l")
        await full.generate("a dog")
        await full.finished()
        await full.until(lambda: gallery.selected and gallery.selected.prompt == "a dog")


async def test_caption_of_the_forming_picture_says_how_far_it_is(full: AppHarness) -> None:
    full.generator.hold.set()
    async with at_gallery(full, (80, 24)):
        await full.generate("a dog")
        await full.until(lambda: full.progress.place)
        await full.until(lambda: f"▸{full.progress.place}" in full.screen_text())
        full.generator.hold.clear()
        await full.finished()


async def test_a_search_goes_to_what_it_found_also_while_a_job_runs(full: AppHarness) -> None:
    full.generator.hold.set()
    async with at_gallery(full, (80, 24)):
        gallery = full.panes.gallery
        await full.generate("a dog")
        await full.until(lambda: full.progress.place and gallery.grid.forming)
        await full.press("f4", "slash", *"prompt", "enter", "r")
        await full.until(lambda: full.texts["prompt"].startswith("prompt"))
        full.generator.hold.clear()
        await full.finished()


async def test_search_is_left_around_the_same_picture(full: AppHarness) -> None:
    async with at_gallery(full, (80, 24)):
        gallery = full.panes.gallery
        await full.press("slash", *"prompt -3", "enter")
        await full.until(lambda: gallery.total == 5 and gallery.grid.has_focus)
        await full.press("l", "l")
        assert seed(full) == 4
        await full.press("escape")
        await full.until(lambda: gallery.total == 10)
        assert seed(full) == 4
        assert not gallery.search_line.region
        await full.press("escape")
        assert full.panes.dock.prompt.has_focus


def underlined(harness: AppHarness) -> list[str]:
    """Return the texts on the screen that are underlined."""
    return [
        segment.text
        for strip in harness.screen_strips()
        for segment in strip
        if segment.style and segment.style.underline
    ]


async def test_found_words_are_highlighted(full: AppHarness) -> None:
    async with at_gallery(full, (80, 24)):
        await full.press("slash", *"tig", "enter")
        await full.until(lambda: full.panes.gallery.total == 4)
        await full.until(lambda: "tig" in underlined(full))


async def test_new_pictures_that_do_not_match_the_search_are_counted(full: AppHarness) -> None:
    async with at_gallery(full, (80, 24)):
        gallery = full.panes.gallery
        await full.press("slash", *"tiger", "enter")
        await full.until(lambda: gallery._search.listed == "tiger")
        for number, prompt in enumerate(("a dog", "a cow", "a tiger")):
            later = NOON + timedelta(hours=2 + number)
            full.history.save(picture(), record(prompt, timestamp=later), 0)
        gallery.reload()
        await full.until(lambda: gallery.total == 5)
        await full.until(lambda: "2 new pictures don't match" in full.screen_text())


async def test_searches_are_saved_chosen_and_forgotten(full: AppHarness) -> None:
    async with at_gallery(full, (80, 24)):
        gallery = full.panes.gallery
        await full.press("slash", *"tiger", "ctrl+s")
        await full.until(lambda: saved_searches() == ["tiger"])
        await full.press("escape", "slash", "down")
        await full.until(lambda: isinstance(full.app.screen, ChooseScreen))
        await full.settled()
        await full.press("enter")
        await full.until(lambda: gallery.total == 4)
        assert gallery.search_line.value == "tiger"
        await full.press("ctrl+s")
        await full.until(lambda: saved_searches() == [])


async def test_trash_is_listed_and_restored_from(full: AppHarness) -> None:
    async with at_gallery(full, (80, 24)):
        gallery = full.panes.gallery
        await full.press("d", "d", "T")
        await full.until(lambda: gallery.is_trash and gallery.total == 2)
        assert [entry.seed for entry in (gallery.selected,) if entry] == [11]
        assert "is:trash" in full.screen_text()
        await full.press("s")
        await full.until(lambda: "This is the trash: u restores" in "".join(full.notifications()))
        await full.press("u")
        await full.until(lambda: gallery.total == 1)
        await full.press("T")
        await full.until(lambda: gallery.total == 9 and not gallery.is_trash)


async def test_what_cannot_be_undone_does_not_block_older_changes(full: AppHarness) -> None:
    async with at_gallery(full, (80, 24)):
        gallery = full.panes.gallery
        await full.press("s")
        await full.until(lambda: gallery.selected and gallery.selected.starred)
        await full.press("right", "d")
        await full.until(lambda: gallery.total == 9)
        full.history.restore(full.history.trashed()[0])
        await full.press("u")
        await full.until(lambda: "the trash has no" in full.last_notification)
        await full.press("u")
        await full.until(lambda: full.last_notification == "Undone: starred 1 picture.")


async def test_the_trash_is_listed_when_all_pictures_are_in_it(full: AppHarness) -> None:
    async with at_gallery(full, (80, 24)):
        gallery = full.panes.gallery
        await full.press("V", "end", "V", "d")
        await full.until(lambda: gallery.total == 0)
        await full.press("T")
        await full.until(lambda: gallery.total == 10)
        await full.press("T")
        await full.until(lambda: not gallery.is_trash and gallery.total == 0)


async def test_trashed_pictures_are_deleted_for_good_after_a_question(full: AppHarness) -> None:
    async with at_gallery(full, (80, 24)):
        gallery = full.panes.gallery
        await full.press("d", "d", "d", "T")
        await full.until(lambda: gallery.total == 3)
        await full.press("space", "space", "d")
        await full.until(lambda: isinstance(full.app.screen, ConfirmScreen))
        await full.settled()
        assert "Delete 2 pictures (" in full.screen_text()
        await full.press("escape")
        assert full.history.stats().trashed == 3
        await full.press("d")
        await full.until(lambda: isinstance(full.app.screen, ConfirmScreen))
        await full.settled()
        await full.press("enter")
        await full.until(lambda: gallery.total == 1)
        assert full.history.stats().trashed == 1


async def test_thumbnails_become_larger_and_keep_their_size(full: AppHarness) -> None:
    async with at_gallery(full, (80, 24)):
        grid = full.panes.gallery.grid
        assert grid.shape.columns == 4
        await full.press("+", "+")
        assert grid.shape.columns == 2
        await full.press("-")
        assert grid.shape.columns == 3
        pitch = full.app.main.window.sizes["gallery.pitch"]
        await full.press("alt+0")
        assert grid.shape.columns == 4
        full.app.main.window.use_sizes({"gallery.pitch": pitch})
        assert grid.shape.columns == 3


async def test_clicks_select_mark_and_open(full: AppHarness) -> None:
    async with at_gallery(full, (80, 24)):
        gallery = full.panes.gallery
        at: Callable[[int], tuple[int, int]] = lambda column: (3 + 11 * column, 3)  # noqa: E731
        await full.pilot.click(gallery.grid, offset=at(1))
        assert seed(full) == 11
        await full.pilot.click(gallery.grid, offset=at(2), control=True)
        assert marked(full) == [12]
        await full.pilot.click(gallery.grid, offset=at(0), shift=True)
        await full.until(lambda: sorted(marked(full), key=str) == [10, 11, 12])
        await full.pilot.click(gallery.grid, offset=at(0), times=2)
        await full.until(lambda: not full.at_main)


async def test_unreadable_picture_has_a_sign(full: AppHarness) -> None:
    full.history.entries().entries[0].path.write_bytes(b"no picture")
    async with at_gallery(full, (80, 24)):
        await full.until(lambda: "✗ damaged" in full.screen_text())


async def test_two_marked_pictures_are_compared(full: AppHarness) -> None:
    async with at_gallery(full, (80, 24)):
        await full.press("l", "space", "space", "end", "c")
        await full.until(lambda: not full.at_main)
        assert {"11", "12"} <= set(full.screen_text().replace("·", " ").split())
