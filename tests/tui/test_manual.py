"""The manual in the app: F1 or ?, then m."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.widgets import Static

from sdtui.docs import TOPICS, read_page, sections
from sdtui.tui.panes.pane import Pane
from sdtui.tui.screens.captions import CaptionScreen
from sdtui.tui.screens.compare import CompareScreen
from sdtui.tui.screens.help import HelpScreen
from sdtui.tui.screens.manual import SECTIONS, ManualScreen
from sdtui.tui.screens.mask import MaskScreen
from sdtui.tui.screens.models import ModelScreen
from sdtui.tui.screens.new_training import NewTrainingScreen
from sdtui.tui.screens.picture import PictureScreen
from sdtui.tui.screens.settings import SettingsScreen
from sdtui.tui.screens.training import TrainingScreen
from sdtui.tui.widgets.key_scroll import KeyScroll
from tests.support.app_harness import AppHarness, running


def shown(harness: AppHarness) -> str:
    """Return the screen between the bars, which change by themselves."""
    strips = harness.screen_strips()
    lines = ["".join(segment.text for segment in strip) for strip in strips]
    return "\n".join(lines[1:-1])


def manual(harness: AppHarness) -> ManualScreen:
    screen = harness.app.screen
    assert isinstance(screen, ManualScreen)
    return screen


@pytest.mark.parametrize("section", [*SECTIONS.values()])
def test_every_section_that_help_opens_is_in_the_manual(section: str) -> None:
    topic, _, heading = section.partition("#")
    assert topic in TOPICS
    assert heading in sections(read_page(topic))


async def test_every_pane_has_a_section_and_every_section_a_place(harness: AppHarness) -> None:
    async with running(harness):
        panes = {str(pane.id) for pane in harness.app.main.query(Pane)}
    dialogs = (ModelScreen, SettingsScreen, NewTrainingScreen)
    viewers = (PictureScreen, CompareScreen, MaskScreen, CaptionScreen)
    classes = (*dialogs, *viewers, TrainingScreen)
    assert set(SECTIONS) == panes | {each.__name__ for each in classes}


async def test_help_opens_the_section_of_the_focused_pane(harness: AppHarness) -> None:
    async with running(harness, (80, 24)):
        harness.panes.queue.list.focus()
        await harness.press("f3", "f1")
        assert isinstance(harness.app.screen, HelpScreen)
        assert "f1 ? Manual" in shown(harness)
        await harness.press("f1")
        assert manual(harness).topic == "app"
        await harness.until(lambda: "Jobs run one after another" in shown(harness))
        assert "brings back earlier prompts" not in shown(harness)
        await harness.press("escape")
        assert harness.at_main
        assert harness.panes.queue.list.has_focus


async def test_help_names_the_key_from_the_config(tmp_path: Path) -> None:
    harness = AppHarness(tmp_path, keys={"app.help": "f10"})
    async with running(harness, (80, 24)):
        await harness.press("f10")
        assert "f10 Manual" in shown(harness)
        await harness.press("f10")
        assert manual(harness).topic == "generate"


async def test_page_scrolls_by_keyboard(harness: AppHarness) -> None:
    async with running(harness, (80, 24)):
        harness.app.push_screen(ManualScreen("memory"))
        await harness.until(lambda: "Before a run" in shown(harness))
        box = manual(harness).query_one(KeyScroll)
        for down, up in (("down", "up"), ("j", "k"), ("pagedown", "pageup"), ("G", "g")):
            await harness.press(down)
            await harness.until(lambda: box.scroll_offset.y > 0)
            await harness.press(up)
            await harness.until(lambda: box.scroll_offset.y == 0)
        await harness.press("G")
        await harness.until(lambda: "If it is still broken the job fails" in shown(harness))


async def test_pages_turn_from_the_first_line(harness: AppHarness) -> None:
    async with running(harness, (80, 24)):
        harness.app.push_screen(ManualScreen("memory"))
        await harness.press("G", "right")
        assert manual(harness).topic == "speed"
        assert "Presets, batches" in shown(harness)
        await harness.press("left", "left")
        assert manual(harness).topic == "models"


async def test_question_mark_helps_where_nothing_is_typed(harness: AppHarness) -> None:
    async with running(harness):
        main = harness.app.main
        main.panes.dock.prompt.focus()
        await harness.press("question_mark")
        assert harness.at_main
        assert main.panes.dock.prompt.text == "?"
        main.panes.gallery.focus_search()
        await harness.press("question_mark")
        assert harness.at_main
        main.panes.log.list.focus()
        await harness.press("question_mark")
        assert isinstance(harness.app.screen, HelpScreen)


async def test_help_of_a_dialog_opens_its_page(harness: AppHarness) -> None:
    async with running(harness):
        await harness.press("alt+m", "f1", "f1")
        assert manual(harness).topic == "models"
        await harness.press("escape")
        assert isinstance(harness.app.screen, ModelScreen)


async def test_palette_opens_every_page(harness: AppHarness) -> None:
    async with running(harness):
        commands = {
            each.title: each.callback for each in harness.app.get_system_commands(harness.app.main)
        }
        for topic, about in TOPICS.items():
            assert f"Manual: {topic} · {about}" in commands
        commands[f"Manual: server · {TOPICS['server']}"]()
        await harness.settled()
        assert manual(harness).topic == "server"


async def test_text_of_a_page_is_neither_markup_nor_a_command(
    harness: AppHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "# Memory\n\n[bold red]x[/] <b>y</b> \x1b]0;title\x07 [z](javascript:alert)\n"
    monkeypatch.setattr("sdtui.tui.screens.manual.read_page", lambda _: text)
    async with running(harness, (80, 24)):
        harness.app.push_screen(ManualScreen("memory"))
        await harness.settled()
        assert "[bold red]x[/]" in shown(harness)
        assert "\\x1b]0;title" in shown(harness)
        assert "\x1b" not in shown(harness)
        assert len(manual(harness).query(Static)) == 1
