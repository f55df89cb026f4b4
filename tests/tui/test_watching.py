"""The gallery notices what other programs do in the folder of pictures."""

from __future__ import annotations

from datetime import timedelta

from sdtui.history import History
from tests.support.app_harness import AppHarness, at_gallery, running
from tests.support.records import NOON, picture, record


def save(history: History, number: int) -> None:
    """Save a picture with a prompt and a time of its own."""
    timestamp = NOON + timedelta(minutes=number)
    history.save(picture(), record(f"picture {number}", seed=number, timestamp=timestamp), 0)


def another_program(harness: AppHarness) -> History:
    """Open the same history as another process does."""
    return History(harness.settings.pictures, harness.history_file)


async def test_pictures_of_another_program_are_listed_and_the_cursor_stays(
    harness: AppHarness,
) -> None:
    for number in range(3):
        save(harness.history, number)
    async with at_gallery(harness):
        gallery, watcher = harness.panes.gallery, harness.app.main.watcher
        await harness.press("l")
        watcher.check()
        with another_program(harness) as other:
            save(other, 3)
        watcher.check()
        await harness.until(lambda: gallery.total == 4)
        await harness.until(lambda: gallery.selected is not None)
        assert gallery.selected is not None
        assert gallery.selected.prompt == "picture 1"


async def test_own_pictures_are_no_changes_by_others(harness: AppHarness) -> None:
    async with running(harness):
        before = harness.history.changes_by_others()
        save(harness.history, 0)
        assert harness.history.changes_by_others() == before
        with another_program(harness) as other:
            save(other, 1)
        assert harness.history.changes_by_others() != before


async def test_files_are_found_when_the_window_gets_the_focus(harness: AppHarness) -> None:
    save(harness.history, 0)
    path = harness.history.entries().entries[0].path
    async with running(harness):
        path.rename(path.with_name("elsewhere.png"))
        (path.with_name("copy.png")).write_bytes(path.with_name("elsewhere.png").read_bytes())
        harness.app.app_focus = False
        harness.app.app_focus = True
        await harness.until(lambda: harness.panes.gallery.total == 2)
