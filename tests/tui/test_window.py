"""The window: focus, jump mode, help, palette, themes, state, quitting."""

from __future__ import annotations

import time
from collections.abc import Awaitable
from functools import partial
from pathlib import Path

import pytest
from textual.events import ScreenResume
from textual.message import Message
from textual.widget import Widget

from sdtui.core import paths
from sdtui.core.enums import EventLevel
from sdtui.core.errors import GenerationError, SdtuiError
from sdtui.requests.request import GenerationRequest
from sdtui.tui.job_progress import LogLine, ShownProgress
from sdtui.tui.messages import PartsImported
from sdtui.tui.panes.pane import Pane
from sdtui.tui.screens.dialogs import ConfirmScreen
from sdtui.tui.screens.help import HelpScreen
from sdtui.tui.screens.value import ValueScreen
from sdtui.tui.shutdown import what_is_lost
from sdtui.tui.state import SavedState, load_state, save_state
from sdtui.tui.widgets.key_bar import KeyBar
from tests.support.app_harness import AppHarness, running


def seen(harness: AppHarness) -> set[str]:
    """Return the visible panes."""
    return {str(pane.id) for pane in harness.app.main.query(Pane) if pane.region}


SHARES = {(80, 24): 0.30, (120, 36): 0.33, (200, 60): 0.45}


@pytest.mark.parametrize("size", SHARES)
async def test_the_picture_takes_a_large_share_of_the_window(
    harness: AppHarness, size: tuple[int, int]
) -> None:
    async with running(harness, size):
        stage = harness.panes.stage.region
        assert stage.height * 2 >= stage.width  # a square picture fills it
        assert stage.width * stage.width / 2 >= SHARES[size] * size[0] * size[1]


@pytest.mark.parametrize("size", [(60, 20), (80, 24), (100, 30), (120, 36), (200, 60)])
async def test_every_tab_fits_into_the_window(harness: AppHarness, size: tuple[int, int]) -> None:
    async with running(harness, size):
        main = harness.app.main
        for tab, pane in harness.panes.shelf.items():
            main.window.show_tab(tab)
            await harness.settled()
            assert tab in seen(harness)
            assert main.window.focused_pane is pane
            for each in main.query(Pane):
                assert not each.region or main.region.contains_region(each.region)
        await harness.press("escape")
        assert harness.panes.dock.prompt.has_focus


async def test_a_wide_window_has_info_beside_the_gallery(harness: AppHarness) -> None:
    async with running(harness, (200, 60)):
        assert {"gallery", "info"} <= seen(harness)


async def test_tab_goes_to_shelf_stage_and_prompts(harness: AppHarness) -> None:
    async with running(harness):
        panes, main = harness.panes, harness.app.main
        for expected in (panes.gallery, panes.stage):
            await harness.press("tab")
            assert main.window.focused_pane is expected
        for prompt in panes.dock.negative, panes.dock.prompt:
            await harness.press("tab")
            assert prompt.has_focus


async def test_a_tiny_terminal_says_so_until_it_is_larger(harness: AppHarness) -> None:
    async with running(harness, (40, 10)):
        over = harness.app.main.query_one("#too-small")
        assert over.region == harness.app.main.region
        await harness.pilot.resize_terminal(80, 24)
        await harness.settled()
        assert "dock" in seen(harness)
        assert not over.region
        await harness.pilot.resize_terminal(40, 10)
        await harness.pilot.resize_terminal(80, 24)
        await harness.press("x")
        assert harness.panes.dock.prompt.text == "x"


async def test_every_group_of_the_form_can_be_seen_at_80_by_24(harness: AppHarness) -> None:
    async with running(harness, (80, 24)):
        await harness.go_to_field("model")
        form = harness.panes.recipe
        rows = [row for row in form.fields.values() if not row.has_class("-left-out")]
        inside = form.query_one("#form").region

        def is_seen(row: Widget) -> bool:
            return bool(row.region) and inside.contains_region(row.region)

        for row in {row.spec.group: row for row in rows}.values():
            form.focus_field(row.spec.name)
            await harness.until(partial(is_seen, row))


async def test_help_is_about_the_focused_pane(harness: AppHarness) -> None:
    async with running(harness):
        harness.panes.queue.list.focus()
        await harness.press("f1")
        assert isinstance(harness.app.screen, HelpScreen)
        shown = harness.screen_text()
        assert "kept on disk" in shown
        assert "K ⇧↑ Earlier" in shown
        await harness.press("escape")
        assert harness.at_main


async def test_help_and_footer_tell_the_keys_of_a_dialog(harness: AppHarness) -> None:
    async with running(harness, (120, 36)):
        bar = harness.app.main.query_one(KeyBar)
        assert "Generate" in bar.render().plain
        await harness.go_to_field("policy")
        await harness.press("enter")
        assert isinstance(harness.app.screen, ValueScreen)
        assert "Generate" not in bar.render().plain
        assert "esc Leave" in bar.render().plain
        await harness.press("f1")
        assert isinstance(harness.app.screen, HelpScreen)
        shown = harness.screen_text()
        assert "⏎ Take" in shown
        assert "^g Generate" not in shown
        assert "^q Quit" in shown  # it works there too
        await harness.press("escape")
        assert isinstance(harness.app.screen, ValueScreen)
        await harness.press("escape")
        assert "Generate" in bar.render().plain


async def test_the_palette_has_the_actions_of_every_pane(harness: AppHarness) -> None:
    async with running(harness, (80, 24)):
        commands = {
            each.title: each.callback for each in harness.app.get_system_commands(harness.app.main)
        }
        assert "Generate · Queue a picture as the recipe says" in commands
        (title,) = [each for each in commands if each.startswith("Log: Filter · Show warnings")]
        found = commands[title]()
        assert isinstance(found, Awaitable)
        await found
        await harness.settled()
        log = harness.panes.log
        assert log.list.has_focus
        assert "Warnings and errors" in harness.screen_text()


async def test_the_palette_finds_actions_by_name(harness: AppHarness) -> None:
    async with running(harness):
        titles = [each.title for each in harness.app.get_system_commands(harness.app.main)]
        for name in ("Go to", "Generate", "Quit", "Picture: Undo", "Picture: Reuse", "Full screen"):
            assert [title for title in titles if title.startswith(f"{name} · ")], name


async def test_help_and_palette_over_each_other(harness: AppHarness) -> None:
    async with running(harness):
        await harness.press("ctrl+p", "f1", "ctrl+p")
        assert isinstance(harness.app.screen, HelpScreen)
        await harness.press("escape", "escape")
        assert harness.at_main


async def test_a_form_of_another_version(own_folders: object, tmp_path: Path) -> None:
    save_state(SavedState(form={"dtype": "fp8", "memory_mode": "x", "prompt": "a cat"}))
    async with running(harness := AppHarness(tmp_path)):
        assert harness.texts["dtype"] == "auto"
        assert harness.texts["memory_mode"] == "auto"
        assert harness.texts["prompt"] == "a cat"


async def test_form_theme_and_prompts_are_there_again(harness: AppHarness, tmp_path: Path) -> None:
    async with running(harness):
        await harness.press("f8")
        theme = harness.app.theme
        await harness.generate("a red apple", seed="7", sampler="Euler a")
        await harness.finished()
        harness.fill_form("half written")
        await harness.press("ctrl+q")
    assert load_state().form["prompt"] == "half written"
    again = AppHarness(tmp_path)
    async with running(again):
        main = again.app.main
        assert again.app.theme == theme
        assert again.texts["prompt"] == "half written"
        assert again.texts["seed"] == "7"
        assert again.texts["sampler"] == "Euler a"
        await again.press("up")
        assert main.panes.dock.prompt.text == "a red apple"
        await again.press("down")
        assert main.panes.dock.prompt.text == "half written"


def test_question_before_quitting_says_what_is_lost(harness: AppHarness) -> None:
    progress = ShownProgress(job="a", step=12, total=20, speed=1.0)
    assert what_is_lost(harness.queue, progress) == ""
    harness.generator.hold.set()
    harness.queue.submit(GenerationRequest(prompt="a cat"))
    while not harness.queue.running():
        time.sleep(0.005)
    assert what_is_lost(harness.queue, progress) == (
        "12 of 20 steps are done and will be lost. The picture itself stays in the queue."
    )
    harness.generator.hold.clear()


async def test_quit_asks_once_while_a_picture_is_made(harness: AppHarness) -> None:
    async with running(harness):
        harness.generator.hold.set()
        await harness.generate()
        await harness.until(lambda: harness.progress.is_running)
        await harness.press("ctrl+q")
        assert isinstance(harness.app.screen, ConfirmScreen)
        assert "The picture itself stays in the queue." in harness.screen_text()
        assert "⏎ Quit    esc Stay" in harness.screen_text()
        await harness.press("escape")
        assert harness.at_main
        await harness.press("ctrl+q", "ctrl+q")
        assert harness.app.return_code == 0


async def test_keys_come_from_the_config(tmp_path: Path) -> None:
    harness = AppHarness(tmp_path, keys={"window.generate": "f10"})
    async with running(harness):
        harness.fill_form("a cat")
        await harness.press("ctrl+g")
        assert not harness.queue.jobs()
        await harness.press("f10")
        assert len(harness.queue.jobs()) == 1


async def test_the_log_is_filtered_saved_and_copied(harness: AppHarness) -> None:
    async with running(harness):
        await harness.generate()
        await harness.finished()
        log = harness.panes.log
        log.list.focus()
        assert "step" not in log.text
        assert "finished" in log.text
        before = log.text
        await harness.press("s")
        (saved,) = paths.state_folder().glob("log-*.txt")
        assert saved.read_text() == before
        before = log.text
        assert "The log is in" in before
        await harness.press("y")
        assert (paths.state_folder() / "copied.txt").read_text() == before
        assert harness.app.clipboard == before
        await harness.press("f", "f")
        assert log.text == ""
        await harness.press("f")
        assert "step" in log.text


async def test_messages_can_be_read_in_the_log(harness: AppHarness) -> None:
    async with running(harness):
        harness.app.notify("Something [odd]", severity="warning")
        harness.app.show_error(SdtuiError("it failed", "Do it again"))
        lines = [(line.level, line.text) for line in harness.panes.log.lines][-2:]
        assert lines == [
            (EventLevel.WARNING, "Something [odd]"),
            (EventLevel.ERROR, "it failed. Do it again."),
        ]


async def test_error_of_a_job_is_in_the_log_once(harness: AppHarness) -> None:
    async with running(harness):
        harness.generator.failure = GenerationError("no", "yes", stage="decode")
        await harness.generate()
        await harness.finished()
        assert harness.panes.log.text.count("no. yes.") == 1


async def test_enter_shows_a_line_of_the_log_whole(harness: AppHarness) -> None:
    async with running(harness):
        await harness.until(lambda: "ready" in harness.panes.log.text)
        whole = "a long line " * 30 + "with an end"
        await harness.until(lambda: "ready ·" in harness.panes.log.text)
        harness.panes.log.add([LogLine(0.0, EventLevel.INFO, whole)])
        harness.app.main.window.show_tab("log")
        await harness.press("G", "enter")
        assert "with an end" in harness.screen_text()
        await harness.press("y")
        assert harness.app.clipboard == f"{whole}\n"
        await harness.press("escape")
        assert harness.at_main


async def test_a_full_disk_takes_neither_log_nor_copy(
    harness: AppHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    async with running(harness):
        monkeypatch.setattr("sdtui.tui.app.write_atomic", full)
        monkeypatch.setattr("sdtui.tui.log_file.write_atomic", full)
        harness.panes.log.list.focus()
        await harness.until(lambda: harness.panes.log.text)
        for key in ("s", "y"):
            await harness.press(key)
            assert any("No space left on device" in each for each in harness.notifications())
        assert harness.app.clipboard


async def test_the_log_keeps_its_newest_lines(harness: AppHarness) -> None:
    async with running(harness):
        log = harness.panes.log
        log.add([LogLine(0.0, EventLevel.INFO, f"line {number}") for number in range(3000)])
        assert log.list.count == 2000
        assert log.text.endswith("line 2999\n")


async def test_the_form_begins_with_the_settings(tmp_path: Path) -> None:
    harness = AppHarness(tmp_path, model="elsewhere", policy="strict")
    async with running(harness):
        assert harness.texts["model"] == "elsewhere"
        assert harness.texts["policy"] == "strict"


async def test_fields_equal_to_the_settings_follow_them(tmp_path: Path) -> None:
    before = AppHarness(tmp_path, speed="fast")
    async with running(before):
        before.app.recipe.change({"policy": "strict"})
        await before.press("ctrl+q")
    after = AppHarness(tmp_path, speed="max")
    async with running(after):
        texts = after.app.recipe.texts
        assert (texts["speed"], texts["policy"]) == ("max", "strict")


async def test_ctrl_c_says_how_to_quit(harness: AppHarness) -> None:
    async with running(harness):
        await harness.press("f2", "f4", "ctrl+c")
        assert harness.notifications() == ["Nothing is running. ^q quits."]


async def test_typing_replaces_a_number(harness: AppHarness) -> None:
    async with running(harness):
        pictures = harness.panes.recipe.fields["num_images_per_prompt"]
        await harness.go_to_field("num_images_per_prompt")
        await harness.press("3")
        assert pictures.text == "3"
        await harness.press("2")
        assert pictures.text == "32"


@pytest.mark.parametrize("message_type", [ScreenResume, PartsImported])
async def test_app_ends_while_it_opens(harness: AppHarness, message_type: type[Message]) -> None:
    def end(message: Message) -> None:
        if isinstance(message, message_type) and harness.app.screen is harness.app.main:
            harness.app.exit(3)

    async with harness.app.run_test(message_hook=end):
        await harness.until(lambda: not harness.app.is_running)
    assert harness.app.return_value == 3
    harness.close()
