"""The manual in the app: F1 or ?, then m."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.widgets import Static

from sdtui.docs import TOPICS, read_page, sections
from sdtui.tui.panes.pane import Pane
from sdtui.tui.screens.help import HelpScreen
from sdtui.tui.screens.manual import SECTIONS, ManualScreen
from sdtui.tui.screens.models import ModelScreen
from tests.support.app_harness import AppHarness, running


def shown(bench: AppHarness) -> str:
    """What is on the screen below the top bar."""
    strips = bench.app.screen._compositor.render_strips()
    lines = ["".join(segment.text for segment in strip) for strip in strips]
    return "\n".join(lines[1:])  # the top bar changes by itself


def manual(bench: AppHarness) -> ManualScreen:
    screen = bench.app.screen
    assert isinstance(screen, ManualScreen)
    return screen


@pytest.mark.parametrize("section", [*SECTIONS.values()])
def test_every_section_that_help_opens_is_in_the_manual(section: str) -> None:
    topic, _, heading = section.partition("#")
    assert topic in TOPICS
    assert heading in sections(read_page(topic))


async def test_every_pane_has_a_section(bench: AppHarness) -> None:
    async with running(bench):
        assert {str(pane.id) for pane in bench.app.main.query(Pane)} <= set(SECTIONS)


async def test_help_opens_the_section_of_the_focused_pane(bench: AppHarness) -> None:
    async with running(bench, (80, 24)):
        bench.app.main.panes.queue.list.focus()
        await bench.press("f3", "f1")
        assert isinstance(bench.app.screen, HelpScreen)
        assert "m manual" in shown(bench)
        await bench.press("m")
        assert manual(bench).topic == "app"
        await bench.until(lambda: "Jobs run one after another" in shown(bench))
        assert "brings back earlier prompts" not in shown(bench)
        await bench.press("escape")
        assert bench.at_main
        assert bench.app.main.panes.queue.list.has_focus


async def test_help_names_the_key_from_the_config(tmp_path: Path) -> None:
    bench = AppHarness(tmp_path, keys={"help.manual": "f10"})
    async with running(bench, (80, 24)):
        await bench.press("f1")
        assert "f10 manual" in shown(bench)
        await bench.press("f10")
        assert manual(bench).topic == "generate"


async def test_page_scrolls_by_keyboard(bench: AppHarness) -> None:
    async with running(bench, (80, 24)):
        bench.app.push_screen(ManualScreen("memory"))
        await bench.settled()
        assert "Before a run" in shown(bench)
        top = shown(bench)
        for down, up in (("down", "up"), ("j", "k"), ("pagedown", "pageup"), ("G", "g")):
            await bench.press(down)
            await bench.until(lambda: shown(bench) != top)
            await bench.press(up)
            await bench.until(lambda: shown(bench) == top)
        await bench.press("G")
        await bench.until(lambda: "If it is still broken the job fails" in shown(bench))


async def test_pages_turn_from_the_first_line(bench: AppHarness) -> None:
    async with running(bench, (80, 24)):
        bench.app.push_screen(ManualScreen("memory"))
        await bench.press("G", "right")
        assert manual(bench).topic == "speed"
        assert "Presets, batches" in shown(bench)
        await bench.press("left", "left")
        assert manual(bench).topic == "models"


async def test_question_mark_helps_where_nothing_is_typed(bench: AppHarness) -> None:
    async with running(bench):
        main = bench.app.main
        main.panes.prompt.editor.focus()
        await bench.press("question_mark")
        assert bench.at_main
        assert main.panes.prompt.text == "?"
        main.panes.history.search.focus()
        await bench.press("question_mark")
        assert bench.at_main
        main.panes.log.list.focus()
        await bench.press("question_mark")
        assert isinstance(bench.app.screen, HelpScreen)


async def test_help_of_a_dialog_opens_its_page(bench: AppHarness) -> None:
    async with running(bench):
        await bench.press("ctrl+l", "f1", "m")
        assert manual(bench).topic == "models"
        await bench.press("escape")
        assert isinstance(bench.app.screen, ModelScreen)


async def test_palette_opens_every_page(bench: AppHarness) -> None:
    async with running(bench):
        commands = {
            each.title: each.callback for each in bench.app.get_system_commands(bench.app.main)
        }
        for topic, about in TOPICS.items():
            assert f"Manual: {topic} · {about}" in commands
        commands[f"Manual: server · {TOPICS['server']}"]()
        await bench.settled()
        assert manual(bench).topic == "server"


async def test_text_of_a_page_is_neither_markup_nor_a_command(
    bench: AppHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "# Memory\n\n[bold red]x[/] <b>y</b> \x1b]0;title\x07 [z](javascript:alert)\n"
    monkeypatch.setattr("sdtui.tui.screens.manual.read_page", lambda _: text)
    async with running(bench, (80, 24)):
        bench.app.push_screen(ManualScreen("memory"))
        await bench.settled()
        assert "[bold red]x[/]" in shown(bench)
        assert "\\x1b]0;title" in shown(bench)
        assert "\x1b" not in shown(bench)
        assert len(manual(bench).query(Static)) == 1
