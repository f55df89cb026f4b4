"""Focus and cursor are visible in every theme, and in the terminal's own colours without any
colour."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.style import Style

from sdtui.tui.screens.search_dialog import ChooseScreen
from sdtui.tui.state import load_state
from sdtui.tui.themes import DARK_16, LIGHT_16, OWN_THEMES, first_theme
from tests.support.app_harness import AppHarness, running


def seen(harness: AppHarness) -> list[object]:
    """Return every character with its style; of the terminal's own colours, which are unknown, only
    the style without them."""
    strips = harness.screen_strips()
    segments = [segment for strip in strips for segment in strip]
    if harness.app.native_ansi_color:
        return [(segment.text, _without_colours(segment.style)) for segment in segments]
    return [(segment.text, segment.style) for segment in segments]


def _without_colours(style: Style | None) -> Style | None:
    return style.without_color if style else None


@pytest.mark.parametrize("no_color", ["", "1"])
async def test_focus_and_cursor_are_seen(
    no_color: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", no_color)
    harness = AppHarness(tmp_path)
    async with running(harness):
        main = harness.app.main
        harness.generator.hold.set()
        for prompt in ("one", "two"):
            await harness.generate(prompt)
        await harness.until(lambda: main.panes.queue.list.count == 2)
        for theme in OWN_THEMES:
            harness.app.theme = theme.name
            main.window.show_tab("queue")
            main.panes.queue.list.cursor = 0
            await moves(harness, "down", "up")
            main.window.show_tab("recipe")
            main.panes.recipe.fields["policy"].focus()
            await moves(harness, "tab")
            await harness.app.push_screen(ChooseScreen("?", ["a", "b"], "a"))
            await moves(harness, "down")
            await harness.press("escape")
        harness.generator.hold.clear()


async def moves(harness: AppHarness, *keys: str) -> None:
    """Every key has a visible effect."""
    await harness.settled()
    for key in keys:
        before = seen(harness)
        await harness.press(key)
        assert seen(harness) != before, f"{harness.app.theme}: {key}"


async def test_where_the_focus_is_without_colours(harness: AppHarness) -> None:
    async with running(harness):
        for theme in (DARK_16, LIGHT_16):
            harness.app.theme = theme.name
            harness.app.main.window.focus_prompt()
            places = set()
            stops = len(harness.app.main.focus_chain)
            for _ in range(stops):
                await harness.settled()
                places.add(tuple(map(str, seen(harness)[: -len(bar_texts(harness))])))
                await harness.press("tab")
            assert len(places) == stops >= 4


def bar_texts(harness: AppHarness) -> list[str]:
    """Return the texts of the last line, which differs for other reasons."""
    return [segment.text for segment in harness.screen_strips()[-1]]


@pytest.mark.parametrize(
    ("chosen", "with_few", "with_many"),
    [
        ("", "sdtui-16-dark", "sdtui-dark"),
        ("sdtui-light", "sdtui-16-light", "sdtui-light"),
        ("nord", "sdtui-16-dark", "nord"),
        ("sdtui-contrast", "sdtui-contrast", "sdtui-contrast"),
        ("ansi-light", "ansi-light", "ansi-light"),
        ("sdtui-16-light", "sdtui-16-light", "sdtui-16-light"),
        ("a theme of another version", "sdtui-16-dark", "sdtui-dark"),
    ],
)
def test_few_colours_mean_the_terminals_own(chosen: str, with_few: str, with_many: str) -> None:
    assert first_theme(chosen, 16) == with_few
    assert first_theme(chosen, 256) == with_many


async def test_a_terminal_of_few_colours_changes_no_choice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(harness := AppHarness(tmp_path)):
        harness.app.theme = "sdtui-light"
        await harness.press("ctrl+q")
    monkeypatch.setattr("textual.constants.COLOR_SYSTEM", "standard")
    async with running(few := AppHarness(tmp_path)):
        assert few.app.theme == "sdtui-16-light"
        few.app.theme = "sdtui-contrast"
        few.app.save().result()
        few.app.theme = "sdtui-16-light"
        await few.press("ctrl+q")
    assert load_state().theme == "sdtui-light"
    async with running(chosen := AppHarness(tmp_path)):
        chosen.app.theme = "sdtui-contrast"
        await chosen.press("ctrl+q")
    assert load_state().theme == "sdtui-contrast"
