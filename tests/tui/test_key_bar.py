"""The last line: the keys that work, clicks on them, and messages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import ClassVar

import pytest
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.pilot import Pilot
from textual.screen import ModalScreen
from textual.widget import Widget
from textual.widgets import Input, Static

from sdtui.tui.themed_app import ThemedApp
from sdtui.tui.widgets.key_bar import KeyBar
from tests.support.keyboard import until


def bound(keys: str, action: str, label: str, place: str, *, first: bool = False) -> Binding:
    """Return a binding that the bar shows; its id is "place.action"."""
    return Binding(keys, action, label, id=f"{place}.{action}", priority=first)


class Pictures(Widget, can_focus=True):
    """Takes the keys of pictures."""

    BINDINGS: ClassVar[list[BindingType]] = [
        bound("enter,f", "open", "Full screen", "picture"),
        bound("s", "star", "Star", "picture"),
        bound("v", "vary", "Vary", "picture"),
        bound("d", "trash", "Trash", "picture"),
    ]
    DEFAULT_CSS = "Pictures { height: 1; }"

    def __init__(self) -> None:
        super().__init__()
        self.starred = False

    def action_star(self) -> None:
        self.starred = True


class Question(ModalScreen[None]):
    """A dialog."""

    BINDINGS: ClassVar[list[BindingType]] = [bound("y", "yes", "Yes", "question")]

    def compose(self) -> ComposeResult:
        yield Static("?")


class BarApp(ThemedApp):
    """Has a text, pictures and the bar."""

    BINDINGS: ClassVar[list[BindingType]] = [
        bound("f1", "help", "Help", "app", first=True),
        bound("question_mark", "help", "Help", "reading"),
        bound("ctrl+g", "generate", "Generate", "window", first=True),
        bound("ctrl+x", "cancel", "Cancel", "window", first=True),
        bound("escape", "back", "Prompt", "shelf"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.running = False
        self.done: list[str] = []
        self.quiet_for = 0.0

    @property
    def silence(self) -> float:
        return self.quiet_for

    def compose(self) -> ComposeResult:
        yield Input()
        yield Pictures()
        yield KeyBar()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return self.running if action == "cancel" else True

    def action_help(self) -> None:
        self.done.append("help")

    def action_generate(self) -> None:
        self.done.append("generate")

    @property
    def bar(self) -> KeyBar:
        return self.query_one(KeyBar)

    @property
    def text(self) -> str:
        return self.bar.render().plain


@asynccontextmanager
async def running(width: int = 100) -> AsyncIterator[tuple[BarApp, Pilot[int]]]:
    """Run the app with the focus on the pictures."""
    app = BarApp()
    async with app.run_test(size=(width, 10)) as pilot:
        app.query_one(Pictures).focus()
        await pilot.pause()
        yield app, pilot


async def test_the_keys_of_the_focused_part_come_first_and_the_help_is_at_the_right() -> None:
    async with running() as (app, _):
        assert app.text.startswith("⏎ Full screen  s Star  v Vary  d Trash  esc Prompt")
        assert "    ^g Generate" in app.text
        assert app.text.endswith("? Keys")
        assert len(app.text) == 98


async def test_keys_that_are_typed_into_the_focused_text_are_not_shown() -> None:
    async with running() as (app, pilot):
        app.query_one(Input).focus()
        await pilot.pause()
        assert "Star" not in app.text
        assert app.text.endswith("f1 Keys")


async def test_what_cannot_be_done_now_is_not_shown_and_comes_first_when_it_can() -> None:
    async with running() as (app, _):
        assert "Cancel" not in app.text
        app.running = True
        assert app.text.startswith("^x Cancel    ⏎ Full screen")


@pytest.mark.parametrize("width", [30, 40, 60])
async def test_a_narrow_line_keeps_the_way_back_and_the_help(width: int) -> None:
    async with running(width) as (app, _):
        assert "esc Prompt" in app.text
        assert app.text.endswith("? Keys")
        assert len(app.text) <= width - 2


async def test_a_click_does_what_the_key_does() -> None:
    async with running() as (app, pilot):
        for label in ("Star", "Generate", "Keys"):
            await pilot.click(KeyBar, offset=(1 + app.text.index(label), 0))
        await pilot.pause()
        assert app.query_one(Pictures).starred
        assert app.done == ["generate", "help"]


async def test_under_a_dialog_the_keys_of_the_dialog_are_shown() -> None:
    async with running() as (app, pilot):
        app.push_screen(Question())
        await pilot.pause()
        assert app.text.startswith("y Yes")
        assert "Star" not in app.text


async def test_a_message_takes_the_place_of_the_keys_for_its_time() -> None:
    async with running() as (app, _):
        app.bar.show_message("The log is saved.", timeout=0.05)
        assert app.text == "▸ The log is saved."
        app.bar.show_message("Theme: light", "warning", timeout=0.05)
        assert app.text == "■ Theme: light"
        await until(app, lambda: app.text.startswith("⏎ Full screen"))


async def test_an_error_stays_until_a_key_is_pressed() -> None:
    async with running() as (app, _):
        app.quiet_for = 60.0
        app.bar.show_message("That went wrong.", "error", timeout=0.02)
        await asyncio.sleep(0.4)
        assert app.text == "✗ That went wrong."
        app.quiet_for = 0.0
        await until(app, lambda: app.bar.message == "")


async def test_a_click_ends_a_message() -> None:
    async with running() as (app, pilot):
        app.bar.show_message("That went wrong.", "error")
        await pilot.click(KeyBar, offset=(3, 0))
        assert app.bar.message == ""


async def test_a_long_message_loses_its_middle_and_is_no_markup() -> None:
    async with running(40) as (app, _):
        app.bar.show_message("[b]The log is in[/] /home/ann/.local/state/sdtui/log-20261128.txt")
        assert app.text.startswith("▸ [b]The log is in[/]")
        assert app.text.endswith("1128.txt")
        assert len(app.text) <= 38
