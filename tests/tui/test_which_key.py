"""The panel of keys, and how the help and `^o` use it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from rich.style import Style
from textual.app import ComposeResult
from textual.widgets import Static

from sdtui.tui.key_names import key_names
from sdtui.tui.key_table import KeyChoice, TableStyles, key_table
from sdtui.tui.screens.help import HelpScreen
from sdtui.tui.screens.manual import ManualScreen
from sdtui.tui.screens.which_key import WhichKeyScreen
from sdtui.tui.themed_app import ThemedApp
from sdtui.tui.widgets.key_bar import KeyBar
from tests.support.app_harness import AppHarness, running
from tests.support.keyboard import press

CHIPS = [
    KeyChoice("m", "Model", "Change"),
    KeyChoice("s", "Sampler", "Change"),
    KeyChoice("minus", "Negative prompt", "Change"),
    KeyChoice("1", "Gallery", "Go to"),
    KeyChoice("enter,f", "Full screen", "Go to"),
]


def table(choices: list[KeyChoice], width: int) -> list[str]:
    """Return the lines of a table without styles."""
    plain = Style()
    styles = TableStyles(plain, plain, plain)
    lines = key_table(choices, width, styles, lambda keys: " ".join(key_names(keys)))
    return [line.plain.rstrip() for line in lines]


def test_groups_have_headings_and_columns() -> None:
    assert table(CHIPS, 60) == [
        "Change",
        "m Model   s Sampler   - Negative prompt",
        "Go to",
        "1 Gallery   ⏎ f Full screen",
    ]


def test_a_narrow_table_has_fewer_columns_and_reads_downwards() -> None:
    choices = [KeyChoice(key, f"Choice {key}") for key in "abcde"]
    assert table(choices, 24) == [
        "a Choice a   d Choice d",
        "b Choice b   e Choice e",
        "c Choice c",
    ]
    assert len(table(choices, 10)) == 5


@pytest.mark.parametrize("width", [10, 33, 56, 76, 116])
def test_no_line_is_longer_than_the_panel(width: int) -> None:
    choices = [KeyChoice(f"f{number}", "Something" * (number % 4)) for number in range(40)]
    assert all(len(line) <= width for line in table(choices, width))


class PanelApp(ThemedApp):
    """Opens the panel."""

    def __init__(self, **options: KeyChoice | str | int) -> None:
        super().__init__()
        self.answers: list[str | None] = []
        self.panel = WhichKeyScreen("Go to", CHIPS, **options)  # type: ignore[arg-type]

    def compose(self) -> ComposeResult:
        yield Static("behind\n" * 30)

    def on_mount(self) -> None:
        self.push_screen(self.panel, self.answers.append)


@asynccontextmanager
async def opened(**options: KeyChoice | str | int) -> AsyncIterator[PanelApp]:
    app = PanelApp(**options)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        yield app


@pytest.mark.parametrize(
    ("key", "answer"),
    [
        ("m", "m"),
        ("-", "minus"),
        ("enter", "enter"),
        ("f", "f"),
        ("z", None),
        ("escape", None),
        ("q", None),
        ("tab", None),
    ],
)
async def test_the_answer_is_the_key(key: str, answer: str | None) -> None:
    async with opened() as app:
        await press(app, key)
        assert app.answers == [answer]


async def test_a_listed_key_comes_before_those_of_the_panel() -> None:
    async with opened(more=KeyChoice("q", "More")) as app:
        await press(app, "q")
        assert app.answers == ["q"]


async def test_the_panel_is_low_opaque_and_leaves_the_last_lines() -> None:
    async with opened(rows_below=5) as app:
        panel = app.panel.query_one("#which-key")
        assert panel.region.width == 80
        assert panel.region.bottom == 24 - 5
        assert panel.region.height <= 7
        assert panel.styles.background.a == 1
        assert app.panel.styles.background.a == 0


@pytest.mark.parametrize("size", [(60, 20), (80, 24), (120, 36)])
async def test_the_help_shows_every_key_on_one_page(
    harness: AppHarness, size: tuple[int, int]
) -> None:
    async with running(harness, size):
        await harness.generate()
        await harness.finished()
        await harness.until(lambda: harness.panes.gallery.total)
        await harness.press("f4")
        harness.panes.gallery.grid.focus()
        await harness.press("?")
        assert isinstance(harness.app.screen, HelpScreen)
        text = harness.screen_text()
        assert "1 of 2" not in text
        for said in ("Picture", "s Star", "Everywhere", "^q Quit", "? Manual", "esc Back"):
            assert said in text


async def test_a_key_in_the_help_does_what_it_does(harness: AppHarness) -> None:
    async with running(harness):
        harness.panes.log.list.focus()
        await harness.press("?", "1")
        assert harness.at_main
        assert harness.app.main.window.focused_pane is harness.panes.gallery


async def test_a_second_question_mark_opens_the_manual(harness: AppHarness) -> None:
    async with running(harness):
        harness.panes.log.list.focus()
        await harness.press("?", "?")
        assert isinstance(harness.app.screen, ManualScreen)


async def test_go_to_reaches_every_part(harness: AppHarness) -> None:
    parts = {"1": "gallery", "2": "recipe", "5": "log", "g": "stage", "-": "negative"}
    async with running(harness, (80, 24)):
        for key, part in parts.items():
            await harness.press("ctrl+o", key)
            assert harness.app.main.query_one(f"#{part}").has_focus_within


async def test_go_to_shows_the_keys_that_work(harness: AppHarness) -> None:
    async with running(harness):
        await harness.press("ctrl+o", "?")
        assert isinstance(harness.app.screen, HelpScreen)


async def test_no_key_is_listed_twice_over_another_screen(harness: AppHarness) -> None:
    async with running(harness):
        await harness.generate()
        await harness.finished()
        await harness.until(lambda: harness.panes.stage.picture)
        await harness.press("f6")
        await harness.until(lambda: not harness.at_main)
        await harness.press("f1")
        assert "^p ^p" not in harness.screen_text()
        assert "Cancel" not in harness.screen_text()


async def test_where_a_text_is_typed_the_last_line_says_how_to_get_there(
    harness: AppHarness,
) -> None:
    async with running(harness):
        await harness.press("escape")
        assert harness.screen_text().rstrip().endswith("^o ? Keys")
        await harness.press("ctrl+o", "?")
        assert isinstance(harness.app.screen, HelpScreen)


async def test_keys_of_pictures_are_shown_once_there_is_one(harness: AppHarness) -> None:
    async with running(harness):
        await harness.press("f4")
        bar = harness.app.main.query_one(KeyBar)
        assert "Star" not in bar.render().plain
        await harness.generate()
        await harness.finished()
        await harness.press("f4")
        await harness.until(lambda: "s Star" in bar.render().plain)
