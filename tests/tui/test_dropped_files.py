"""Paths as terminals paste dropped files, and files that are no pictures."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from textual import events

from sdtui.tui.screens.files import FileScreen
from sdtui.tui.widgets.form_fields import PathRow
from tests.support.app_harness import AppHarness, running
from tests.support.records import picture


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with pictures and a file that only has the name of one."""
    folder = tmp_path / "my pictures"
    folder.mkdir()
    for name in ("a b.png", "it's.png", "c.jfif"):
        picture().save(folder / name, "png")
    (folder / "text.png").write_text("a text")
    return folder


async def paste(harness: AppHarness, text: str) -> None:
    event = events.Paste(text)
    event.set_sender(harness.app)
    harness.app.post_message(event)
    await harness.settled()


async def focused_field(harness: AppHarness, text: str = "") -> PathRow:
    field = harness.panes.recipe.fields["init_image"]
    assert isinstance(field, PathRow)
    field.text = text
    await harness.go_to_field("init_image")
    return field


async def test_dropped_file_replaces_the_old_path(harness: AppHarness, folder: Path) -> None:
    texts = ("'{0}/a b.png' ", '"{0}/a b.png"', "{0}/a b.png\n", "file://{0}/a%20b.png\r\n")
    async with running(harness):
        for dropped in texts:
            field = await focused_field(harness, "/old.png")
            await paste(harness, dropped.format(folder))
            assert field.text == str(folder / "a b.png"), dropped
            assert not harness.problem()
        harness.fill_form("a cat")
        await harness.press("ctrl+g")
        await harness.finished()
        assert harness.generator.requests[0].values()["init_image"] == folder / "a b.png"


async def test_typed_quotes_and_escapes_are_understood(
    harness: AppHarness, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder.parent)
    async with running(harness):
        field = await focused_field(harness)
        for text in ("'my pictures/a b.png'", r"my\ pictures/a\ b.png"):
            field.text = ""
            await harness.write(text)
            assert not harness.problem()


async def test_first_of_several_dropped_files_is_taken(harness: AppHarness, folder: Path) -> None:
    async with running(harness):
        field = await focused_field(harness)
        await paste(harness, f"'{folder}/a b.png' \"{folder}/it's.png\"")
        assert field.text == str(folder / "a b.png")
        assert harness.notifications() == ["2 files were dropped; a b.png is taken."]


async def test_pasted_words_are_inserted(harness: AppHarness) -> None:
    async with running(harness):
        field = await focused_field(harness, "pictures/")
        await paste(harness, "one\ntwo\n")
        assert field.text == "pictures/one two"


REFUSED = {
    r"C:\Users\me\a.png": "write /mnt/c/Users/me/a.png",
    "file://elsewhere/a.png": "another machine",
    "{0}/text.png": "no picture of a known",
    "{0}/none.png": "isn't there",
    "{0}": "is no picture but a",
}
"""Text that is pasted → why it is refused."""


async def test_field_says_why_a_file_is_refused(harness: AppHarness, folder: Path) -> None:
    async with running(harness, (200, 60)):
        for text, reason in REFUSED.items():
            await focused_field(harness, "/old.png")
            await paste(harness, text.format(folder))
            assert reason in harness.problem().replace("\n", " ")
            harness.fill_form("a cat")
            await harness.press("ctrl+g")
            assert not harness.queue.jobs(), text


async def test_pipe_is_refused_and_not_read(harness: AppHarness, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    async with running(harness):
        await focused_field(harness, str(tmp_path / "pipe.png"))
        assert "no regular" in harness.problem()


async def test_picture_with_an_odd_name_is_used_from_the_history(
    harness: AppHarness, folder: Path
) -> None:
    async with running(harness):
        for name in ("it's.png", "a b.png"):
            harness.app.main.generation.use_init_image(str(folder / name))
            await harness.settled()
            assert not harness.problem()


async def open_picker(harness: AppHarness, folder: Path) -> FileScreen:
    await focused_field(harness, f"'{folder}/none.png'")
    await harness.press("enter")
    screen = harness.app.screen
    assert isinstance(screen, FileScreen)
    return screen


async def test_picker_refuses_what_is_no_picture(harness: AppHarness, folder: Path) -> None:
    async with running(harness):
        screen = await open_picker(harness, folder)
        await harness.write("text")
        await harness.press("enter")
        assert harness.app.screen is screen
        assert "no picture of a known format" in str(screen.status.render())


async def test_picker_takes_a_pasted_path_of_any_suffix(harness: AppHarness, folder: Path) -> None:
    texts = ("'{0}/c.jfif' ", "file://{0}/c.jfif", "{0}/c.jfif", "c.jfif", "../my pictures/c.jfif")
    async with running(harness):
        for typed in texts:
            await open_picker(harness, folder)
            await paste(harness, typed.format(folder))
            await harness.press("enter")
            assert harness.at_main, typed
            assert harness.texts["init_image"] == str(folder / "c.jfif"), typed


async def test_picker_explains_a_path_of_windows(harness: AppHarness, folder: Path) -> None:
    async with running(harness):
        screen = await open_picker(harness, folder)
        await paste(harness, r"C:\a.png")
        assert "write /mnt/c/a.png" in screen.choices.empty
        await harness.press(*["backspace"] * 8)
        assert screen.choices.items == ["../", "a b.png", "it's.png", "text.png"]


async def test_picture_dropped_onto_the_prompt_is_the_init_image(
    harness: AppHarness, folder: Path
) -> None:
    async with running(harness):
        harness.panes.dock.prompt.text = "a cat"
        await paste(harness, f"'{folder}/a b.png' ")
        assert harness.texts["prompt"] == "a cat"
        assert harness.texts["init_image"] == str(folder / "a b.png")
        assert "a b.png is the init image now" in harness.last_notification
        await harness.press("ctrl+z")
        assert harness.texts["prompt"] == f"a cat'{folder}/a b.png' "
        assert harness.texts["init_image"] == ""
        await harness.press("ctrl+y")
        assert harness.texts["prompt"] == "a cat"
        assert harness.texts["init_image"] == str(folder / "a b.png")


STAYING = {
    "{0}/a b.png": "/another.png",
    "{0}/text.png": "",
    "{0}/none.png": "",
    "like {0}/a b.png": "",
    "'{0}/a b.png' '{0}/c.jfif'": "",
}
"""Text that is pasted → the init image that is there before."""


async def test_other_texts_stay_in_the_prompt(harness: AppHarness, folder: Path) -> None:
    async with running(harness):
        for pasted, init_image in STAYING.items():
            harness.fill_form("", init_image=init_image)
            await paste(harness, pasted.format(folder))
            assert harness.texts["prompt"] == pasted.format(folder)
            assert harness.texts["init_image"] == init_image
