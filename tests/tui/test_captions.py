"""The editor of captions."""

from __future__ import annotations

import errno
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from PIL import Image

from sdtui.core.settings import Settings
from sdtui.jobs import caption_process
from sdtui.requests.training.captioning import (
    Captioned,
    CaptionEvent,
    CaptioningFinished,
    CaptionRequest,
)
from sdtui.requests.training.captions import read_caption, write_caption
from sdtui.tui.caption_app import CaptionApp
from sdtui.tui.screens.captions import CaptionScreen
from sdtui.tui.screens.search_dialog import ChooseScreen
from sdtui.tui.terminal.probe import UNKNOWN_TERMINAL
from tests.support.app_harness import AppHarness, RecordedMessages, running
from tests.support.keyboard import press, type_at_once, until
from tests.support.records import record

HOSTILE = "\x1b[31m犬, 🐕\u202e"


class RecordingCaptionApp(RecordedMessages, CaptionApp):
    """The app of the editor, which remembers its messages."""


class Editor:
    """The app with the editor, and actions of a user."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder = folder
        self.app = RecordingCaptionApp(
            Settings(**settings),  # type: ignore[arg-type]
            folder,
            picture_widget=None,
            terminal=UNKNOWN_TERMINAL,
        )

    @property
    def screen(self) -> CaptionScreen:
        (screen,) = (each for each in self.app.screen_stack if isinstance(each, CaptionScreen))
        return screen

    @property
    def listed(self) -> list[str]:
        return [each.name for each in self.screen.list.items]

    @property
    def captions(self) -> list[str | None]:
        """Those of all pictures in their files."""
        assert self.screen.captions is not None
        return [read_caption(each) for each in self.screen.captions.pictures]

    async def press(self, *keys: str) -> None:
        await press(self.app, *keys)

    async def write(self, text: str) -> None:
        await type_at_once(self.app, *text)

    async def until(self, condition: Callable[[], object]) -> None:
        await until(self.app, condition)

    def text(self) -> str:
        """Return what is on the screen."""
        return "\n".join(strip.text for strip in self.app.screen._compositor.render_strips())


@asynccontextmanager
async def open_editor(folder: Path, **settings: str) -> AsyncIterator[Editor]:
    """Open the editor when it has read all captions."""
    editor = Editor(folder, **settings)
    async with editor.app.run_test(size=(80, 24)):
        await until(editor.app, lambda: len(editor.app.screen_stack) == 2)
        await editor.until(lambda: editor.screen.captions is not None)
        await editor.until(lambda: len(editor.screen.list.captions) == len(editor.listed))
        yield editor


@pytest.fixture
def folder(own_folders: Path, tmp_path: Path) -> Path:
    """Four pictures in two folders, of which two have captions."""
    place = tmp_path / "learned"
    for name in ("5_a dog/one.png", "5_a dog/two.png", "one more.png", f"zz {HOSTILE[:5]}.png"):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40, 30), "navy").save(place / name)
    (place / "5_a dog/one.caption").write_text("a red dog, grass")
    write_caption(place / "5_a dog/two.png", HOSTILE)
    return place


async def test_going_on_saves_the_caption(folder: Path) -> None:
    async with open_editor(folder) as editor:
        assert editor.listed == ["one more.png", f"zz {HOSTILE[:5]}.png", "one.png", "two.png"]
        await editor.press("enter")
        await editor.write("a house, 犬")
        await editor.press("enter", "enter")
        await editor.until(lambda: editor.captions[0] == "a house, 犬")
        assert editor.captions[1] is None
        await editor.write(", sun")
        await editor.press("pageup", "pagedown")
        await editor.until(lambda: editor.captions[2] == "a red dog, grass, sun")
        assert (folder / "5_a dog/one.caption").exists()
        assert not (folder / "5_a dog/one.txt").exists()
        await editor.write(", end")
        await editor.press("escape", "escape")
    assert read_caption(folder / "5_a dog/one.png") == "a red dog, grass, sun, end"


async def test_what_cannot_be_written_is_kept_until_it_can(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    async with open_editor(folder) as editor:
        with monkeypatch.context() as patch:
            patch.setattr("sdtui.requests.training.captions.write_atomic", fail)
            await editor.press("enter")
            await editor.write("a house")
            await editor.press("enter", "pageup")
            await editor.until(lambda: "No space left" in editor.app.messages[-1])
            assert editor.screen.text.text == "a house"
            await editor.press("escape", "escape")
            await editor.until(lambda: "1 caption can't be saved" in editor.text())
            await editor.press("escape")
        await editor.press("j")
        await editor.until(lambda: editor.captions[0] == "a house")


async def test_nothing_in_a_name_or_caption_reaches_the_terminal(folder: Path) -> None:
    async with open_editor(folder) as editor:
        await editor.press("G")
        await editor.until(lambda: "🐕" in editor.text())
        assert "\x1b" not in editor.text()
        assert "\u202e" not in editor.text()


async def test_search_and_missing_captions_narrow_the_list(folder: Path) -> None:
    async with open_editor(folder) as editor:
        await editor.press("m")
        assert len(editor.listed) == 2
        await editor.press("m", "slash")
        await editor.write("DOG red")
        await editor.press("enter")
        assert editor.listed == ["one.png"]
        assert "1 listed · 2 of 4 pictures without a caption" in editor.text()
        await editor.press("slash", "escape")
        assert len(editor.listed) == 4


async def test_all_captions_that_are_listed_change_and_change_back(folder: Path) -> None:
    async with open_editor(folder) as editor:
        before = editor.captions
        await editor.press("f")
        await editor.write("zorb")
        await editor.press("enter")
        await editor.until(lambda: editor.app.messages)
        assert editor.captions[2:] == ["zorb, a red dog, grass", f"zorb, {HOSTILE}"]
        await editor.press("r")
        await editor.write("red dog")
        await editor.press("enter")
        await editor.write("cat")
        await editor.press("enter")
        await editor.until(lambda: editor.captions[2] == "zorb, a cat, grass")
        await editor.press("x")
        await editor.until(lambda: isinstance(editor.app.screen, ChooseScreen))
        await editor.write("grass")
        await editor.press("enter")
        await editor.until(lambda: editor.captions[2] == "zorb, a cat")
        await editor.press("u", "u", "u")
        await editor.until(lambda: editor.captions == before)
        await editor.press("u")
        await editor.until(lambda: editor.app.messages[-1] == "There is nothing to undo.")


async def test_counts_lead_to_the_captions_with_a_tag(folder: Path) -> None:
    async with open_editor(folder) as editor:
        await editor.press("t")
        await editor.until(lambda: isinstance(editor.app.screen, ChooseScreen))
        assert "1  a red dog" in editor.text()
        await editor.write("grass")
        await editor.press("enter")
        assert editor.listed == ["one.png"]


async def test_a_folder_that_cannot_be_read_says_so(own_folders: Path, tmp_path: Path) -> None:
    editor = Editor(tmp_path / "missing")
    async with editor.app.run_test(size=(80, 24)):
        await until(editor.app, lambda: "there is no folder" in editor.text())


class ScriptedProcess:
    """Writes "a <name>" of every picture."""

    def __init__(self, request: CaptionRequest) -> None:
        self._events = self._all(request)

    def _all(self, request: CaptionRequest) -> list[CaptionEvent]:
        events: list[CaptionEvent] = []
        for number, each in enumerate(request.pictures, 1):
            text = f"a {Path(each).stem}"
            write_caption(Path(each), text)
            total = len(request.pictures)
            events.append(Captioned(picture=each, caption=text, done=number, total=total))
        return [*events, CaptioningFinished(captioned=len(events), kept=0, left_out=0, seconds=1)]

    def next_event(self) -> CaptionEvent | None:
        return self._events.pop(0) if self._events else None

    def stop(self) -> None:
        self._events.clear()


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The folder of a captioner that is scripted."""
    monkeypatch.setattr(caption_process, "CaptionProcess", ScriptedProcess)
    place = tmp_path / "model"
    place.mkdir()
    (place / "config.json").write_text('{"model_type": "blip"}')
    (place / "model.safetensors").touch()
    return str(place)


async def test_a_model_writes_one_caption_or_those_that_are_missing(
    folder: Path, model: str
) -> None:
    async with open_editor(folder, captioner=model) as editor:
        before = editor.captions
        await editor.press("C")
        await editor.until(lambda: "2 captions written by the model." in editor.app.messages)
        await editor.until(lambda: editor.screen.text.text == "a one more")
        assert editor.captions[2] == "a red dog, grass"
        await editor.press("G", "c")
        await editor.until(lambda: editor.screen.text.text == "a two")
        await editor.press("u", "u")
        await editor.until(lambda: editor.captions == before)


async def test_without_a_captioner_it_is_said_what_to_do(folder: Path) -> None:
    async with open_editor(folder) as editor:
        await editor.press("c")
        await editor.until(lambda: editor.app.messages)
        assert "no captioner is chosen. Put the folder of a BLIP" in editor.app.messages[-1]


async def test_the_palette_opens_it_and_the_queue_waits_for_a_model(
    folder: Path, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder.parent)
    harness = AppHarness(tmp_path, captioner=model)
    async with running(harness, (80, 24)):
        await harness.press("ctrl+p")
        await harness.write("captions")
        await harness.press("enter")
        await harness.write("missing")
        await harness.press("enter")
        assert "There is no such folder here." in harness.screen_text()
        await harness.press("ctrl+u")
        await harness.write("learned")
        await harness.press("enter")
        await harness.until(lambda: "2 of 4 pictures" in harness.screen_text())
        harness.generator.hold.set()
        harness.queue.submit(record("a cat").request)
        await harness.until(lambda: harness.progress.is_running)
        await harness.press("C")
        await harness.until(lambda: "the device is busy" in harness.last_notification)
        harness.generator.hold.clear()
        await harness.finished()
        await harness.press("C")
        await harness.until(lambda: "2 captions written" in harness.last_notification)
        assert not harness.queue.is_paused
        await harness.press("escape")
        assert harness.at_main
