"""Where focus and cursor are can be told in every theme, and in the terminal's own colours without
any colour."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.style import Style

from sdtui.tui.screens.dialogs import ChooseScreen
from sdtui.tui.themes import DARK, DARK_16, LIGHT_16, OWN_THEMES, default_theme
from tests.tui.scripted import Bench, running


def seen(bench: Bench) -> list[object]:
    """Every letter and how it looks; of the terminal's own colours, whatever they are, only what is
    left without them."""
    strips = bench.app.screen._compositor.render_strips()
    segments = [segment for strip in strips for segment in strip]
    if bench.app.native_ansi_color:
        return [(segment.text, _without_colours(segment.style)) for segment in segments]
    return [(segment.text, segment.style) for segment in segments]


def _without_colours(style: Style | None) -> Style | None:
    return style.without_color if style else None


@pytest.mark.parametrize("no_color", ["", "1"])
async def test_focus_and_cursor_are_seen(
    no_color: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", no_color)
    bench = Bench(tmp_path)
    async with running(bench):
        main = bench.app.main
        bench.generator.hold.set()
        for prompt in ("one", "two"):
            await bench.generate(prompt)
        await bench.until(lambda: main.queue_pane.list.count == 2)
        for theme in OWN_THEMES:
            bench.app.theme = theme.name
            main.queue_pane.list.cursor = 0
            main.queue_pane.list.focus()
            await moves(bench, "down", "up")
            main.parameters.fields["policy"].focus()
            await moves(bench, "tab")
            await bench.app.push_screen(ChooseScreen("?", ["a", "b"], "a"))
            await moves(bench, "down")
            await bench.press("escape")
        bench.generator.hold.clear()


async def moves(bench: Bench, *keys: str) -> None:
    """Every key is seen to do something."""
    await bench.settled()
    for key in keys:
        before = seen(bench)
        await bench.press(key)
        assert seen(bench) != before, f"{bench.app.theme}: {key}"


async def test_where_the_frame_of_the_focus_is_without_colours(bench: Bench) -> None:
    async with running(bench):
        for theme in (DARK_16, LIGHT_16):
            bench.app.theme = theme.name
            main = bench.app.main
            main.log_pane.list.focus()
            await bench.settled()
            assert main.log_pane.styles.border.top[0] != main.queue_pane.styles.border.top[0]


def test_few_colours_mean_the_terminals_own() -> None:
    assert default_theme(16) == DARK_16.name
    assert default_theme(256) == DARK.name
