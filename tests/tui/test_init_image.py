"""Choosing an init image, and comparing it with the result."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sdtui.tui.images.loader import ShownPicture
from sdtui.tui.screens.files import FileScreen
from sdtui.tui.screens.picture import PictureScreen
from sdtui.tui.state import SavedState
from tests.support.app_harness import AppHarness, running
from tests.support.records import picture


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with two pictures, a text, and another folder with one."""
    folder = tmp_path / "mine"
    (folder / "more").mkdir(parents=True)
    for name in ("blue.png", "red.PNG", "more/green.webp"):
        picture().save(folder / name)
    (folder / "notes.txt").touch()
    (folder / ".hidden.png").touch()
    return folder


async def choosing(harness: AppHarness, folder: Path) -> FileScreen:
    """Open the picker in a folder."""
    field = harness.panes.recipe.fields["init_image"]
    field.text = str(folder / "another.png")
    await harness.go_to_field("init_image")
    await harness.press("enter")
    screen = harness.app.screen
    assert isinstance(screen, FileScreen)
    return screen


async def test_the_picker_shows_folders_and_pictures_and_takes_one(
    harness: AppHarness, folder: Path
) -> None:
    async with running(harness, (80, 24)):
        screen = await choosing(harness, folder)
        assert screen.choices.items == ["../", "more/", "blue.png", "red.PNG"]
        await harness.write("red")
        assert screen.choices.items == ["red.PNG"]
        await harness.press("enter")
        assert harness.at_main
        assert harness.texts["init_image"] == str(folder / "red.PNG")


async def test_picker_shows_the_picture_under_the_cursor(harness: AppHarness, folder: Path) -> None:
    picture(320, 160).save(folder / "blue.png")
    (folder / "wrong.png").write_text("a text")
    async with running(harness, (80, 24)):
        screen = await choosing(harness, folder)
        screen.choices.cursor = screen.choices.items.index("blue.png")
        await harness.until(lambda: screen.preview.pixels)
        assert screen.preview.region.width > 20
        assert screen.preview.pixels is not None
        assert screen.preview.pixels.width == 2 * screen.preview.pixels.height == 256
        assert "320×160" in str(screen.status.render())
        screen.choices.cursor = screen.choices.items.index("wrong.png")
        await harness.until(lambda: "no picture" in str(screen.status.render()))
        assert screen.preview.pixels is None
        assert screen.status.has_class("-wrong")
        screen.choices.cursor = 0
        await harness.until(lambda: not str(screen.status.render()))


async def test_narrow_picker_has_names_only(harness: AppHarness, folder: Path) -> None:
    async with running(harness, (60, 20)):
        screen = await choosing(harness, folder)
        await harness.settled()
        assert not screen.preview.display
        assert "more/" in harness.screen_text()


async def test_the_picker_goes_into_folders_and_back(harness: AppHarness, folder: Path) -> None:
    async with running(harness, (80, 24)):
        screen = await choosing(harness, folder)
        await harness.press("enter")
        assert screen.choices.items == ["../", "green.webp"]
        await harness.press("backspace")
        assert "more/" in screen.choices.items
        await harness.write("more")
        await harness.press("enter", "down", "enter")
        assert harness.texts["init_image"] == str(folder / "more/green.webp")


async def test_a_written_path_leads_there(harness: AppHarness, folder: Path) -> None:
    async with running(harness, (80, 24)):
        screen = await choosing(harness, Path("/"))
        await harness.write(f"{folder}/mo")
        assert screen.choices.items == ["more/"]
        await harness.write("re/")
        assert (screen.choices.items, screen.filter.value) == (["../", "green.webp"], "")
        await harness.write("../red")
        assert screen.choices.items == ["red.PNG"]
        await harness.write("/no such folder/x")
        assert screen.choices.items == []
        screen.filter.value = f"/{'long' * 1000}/x"
        await harness.settled()
        assert screen.choices.items == []
        screen.filter.value = f"{folder}/more/green.webp"  # as a paste is
        await harness.settled()
        await harness.press("enter")
        assert harness.texts["init_image"] == str(folder / "more/green.webp")


INVALID = {
    "~nobody-of-that-name/x.png": "isn't there",
    f"/{'long' * 1000}/x.png": "isn't there",
    "~\0/x.png": "isn't there",
    "~\ud800/x.png": "no valid text",
}
"""A path → what the field says."""


async def test_invalid_path_is_reported_at_the_field(harness: AppHarness) -> None:
    async with running(harness):
        field = harness.panes.recipe.fields["init_image"]
        for odd, expected in INVALID.items():
            harness.fill_form("a cat")
            field.text = odd
            await harness.press("ctrl+g")
            assert not harness.generator.requests
            assert expected in harness.problem()
            await harness.go_to_field("init_image")
            await harness.press("enter")
            assert isinstance(harness.app.screen, FileScreen)
            await harness.press("escape")


async def test_a_written_name_comes_before_longer_ones(harness: AppHarness, folder: Path) -> None:
    for name in ("bobcat.png", "cat.png"):
        picture().save(folder / name)
    (folder / "some more").mkdir()
    async with running(harness, (80, 24)):
        screen = await choosing(harness, folder)
        await harness.write("more")
        assert screen.choices.items[screen.choices.cursor] == "more/"
        screen.filter.value = f"{folder}/cat.png"  # as a paste is
        await harness.settled()
        await harness.press("enter")
        assert harness.texts["init_image"] == str(folder / "cat.png")


async def test_unreadable_folder_is_reported_once(
    harness: AppHarness, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = Path.iterdir

    def forbidden(path: Path) -> Iterator[Path]:
        if path.name == "more":
            raise PermissionError(13, "Permission denied", str(path))
        return read(path)

    monkeypatch.setattr(Path, "iterdir", forbidden)
    async with running(harness, (80, 24)):
        screen = await choosing(harness, folder)
        await harness.write("more/gr")
        assert len(harness.notifications()) == 1
        assert screen.choices.items == []


async def test_a_path_at_home_may_begin_with_a_tilde(
    harness: AppHarness, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(folder))
    async with running(harness, (80, 24)):
        screen = await choosing(harness, Path("/"))
        await harness.write("~nobody-of-that-name/")
        assert screen.choices.items == []
        screen.filter.value = ""
        await harness.write("~/blue")
        assert screen.choices.items == ["blue.png"]


async def test_leaving_the_picker_changes_nothing(harness: AppHarness, folder: Path) -> None:
    async with running(harness):
        await choosing(harness, folder)
        await harness.press("down", "escape")
        assert harness.texts["init_image"] == str(folder / "another.png")


async def test_the_end_of_a_long_path_is_seen(harness: AppHarness, folder: Path) -> None:
    harness.app.state = SavedState(form={"init_image": f"{folder}/{'long ' * 20}/first"})
    async with running(harness, (80, 24)):
        await harness.go_to_field("model")
        field = harness.panes.recipe.fields["init_image"]
        assert field.render_line(0).text.rstrip().endswith("/first")
        field.text = field.text.replace("first", "second")
        await harness.settled()
        assert field.render_line(0).text.rstrip().endswith("/second")


async def test_before_and_after(harness: AppHarness, folder: Path) -> None:
    before = folder / "blue.png"
    async with running(harness):
        await harness.generate("a cat", init_image=str(before), strength="0.4")
        await harness.finished()
        assert harness.generator.requests[0].values()["init_image"] == before
        assert harness.generator.requests[0].values()["strength"] == 0.4
        preview = harness.panes.stage
        await harness.until(lambda: preview.picture)
        preview.focus()
        while preview.shown != ShownPicture(before):  # once the picture's record is read
            await harness.press("b")
        await harness.press("b")
        assert preview.shown == preview.picture
        await harness.press("f")
        await harness.until(lambda: isinstance(harness.app.screen, PictureScreen))
        caption = harness.app.screen.query_one("#caption")
        while "before   " not in str(caption.render()):  # once the picture's record is read
            await harness.press("b")
        assert str(caption.render()).endswith("blue.png")
        await harness.press("b")
        assert "before   " not in str(caption.render())


async def test_without_an_init_image_there_is_no_before(harness: AppHarness) -> None:
    async with running(harness):
        await harness.generate("a cat", strength="0.4")
        await harness.finished()
        preview = harness.panes.stage
        await harness.until(lambda: preview.picture)
        preview.focus()
        await harness.press("b")
        assert preview.shown == preview.picture
        assert harness.generator.requests[0].values()["strength"] is None


async def test_missing_init_image_is_reported_at_the_field(harness: AppHarness) -> None:
    async with running(harness, (80, 24)):
        harness.fill_form("a cat", init_image="/no/such.png")
        await harness.press("ctrl+g")
        row = harness.panes.recipe.fields["init_image"]
        assert row.has_focus
        assert "isn't there" in harness.problem()
        form = harness.panes.recipe.query_one("#form")
        await harness.until(lambda: form.region.contains_region(row.region))
