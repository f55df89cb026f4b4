"""Moving about: rooms, jump, help, palette, themes, state, quitting."""

from __future__ import annotations

from collections.abc import Awaitable
from pathlib import Path

import pytest
from textual.events import ScreenResume
from textual.message import Message
from textual.widgets import Static

from sdtui.core import paths
from sdtui.core.enums import EventLevel
from sdtui.tui.job_progress import LogLine
from sdtui.tui.messages import PartsImported
from sdtui.tui.panes.pane import Pane
from sdtui.tui.screens.dialogs import ChooseScreen, ConfirmScreen
from sdtui.tui.screens.help import HelpScreen
from sdtui.tui.screens.jump import LETTERS
from sdtui.tui.state import SavedState, load_state, save_state
from sdtui.tui.widgets.key_bar import KeyBar
from tests.support.app_harness import AppHarness, running


def seen(bench: AppHarness) -> set[str]:
    """The panes that have a place on the screen."""
    return {str(pane.id) for pane in bench.app.main.query(Pane) if pane.region}


async def test_on_a_wide_terminal_everything_is_seen_at_once(bench: AppHarness) -> None:
    async with running(bench, (120, 36)):
        assert len(seen(bench)) == 10


@pytest.mark.parametrize("size", [(80, 24), (100, 30)])
async def test_on_a_small_terminal_every_pane_is_on_a_tab(
    bench: AppHarness, size: tuple[int, int]
) -> None:
    async with running(bench, size):
        found: set[str] = set()
        for key in ("f4", "f3", "f2"):
            await bench.press(key)
            here = seen(bench)
            for pane in bench.app.main.query(Pane):
                assert not pane.region or bench.app.main.region.contains_region(pane.region)
            found |= here
        assert len(found) == 10
        assert bench.app.main.panes.prompt.editor.has_focus


async def test_a_tiny_terminal_says_so_until_it_is_larger(bench: AppHarness) -> None:
    async with running(bench, (40, 10)):
        over = bench.app.main.query_one("#too-small")
        assert over.region == bench.app.main.region
        await bench.pilot.resize_terminal(80, 24)
        await bench.settled()
        assert "prompt" in seen(bench)
        assert not over.region
        await bench.pilot.resize_terminal(40, 10)
        await bench.pilot.resize_terminal(80, 24)
        await bench.press("x")
        assert bench.app.main.panes.prompt.text == "x"


async def test_every_field_of_the_form_is_seen_at_80_by_24(bench: AppHarness) -> None:
    async with running(bench, (80, 24)):
        form = bench.app.main.panes.parameters
        inside = form.query_one("#form").region
        assert all(inside.contains_region(field.region) for field in form.fields.values())


@pytest.mark.parametrize("size", [(80, 24), (100, 30), (120, 36), (200, 60)])
async def test_jump_goes_to_every_pane(bench: AppHarness, size: tuple[int, int]) -> None:
    async with running(bench, size):
        main = bench.app.main
        reached = set()
        for tab in ("f2", "f3", "f4") if main.top_bar.tab else ("f2",):
            await bench.press(tab)
            for pane, letter in zip(main.window.visible_panes, LETTERS, strict=False):
                await bench.press("ctrl+o", letter)
                assert main.window.focused_pane is pane
                reached.add(pane.id)
        assert reached == {str(pane.id) for pane in main.query(Pane)} - {"progress"}


async def test_jump_goes_to_another_tab(bench: AppHarness) -> None:
    async with running(bench, (80, 24)):
        main = bench.app.main
        await bench.press("ctrl+o")
        first_tab = LETTERS[len(main.window.visible_panes)]
        label = list(bench.app.screen.query(Static))[-2]
        assert label.region.offset == main.top_bar.offset_of("queue")
        await bench.press(first_tab)
        assert main.panes.queue.list.has_focus
        await bench.press("ctrl+o", "escape")
        assert bench.at_main
        assert main.panes.queue.list.has_focus


async def test_help_is_about_the_focused_pane(bench: AppHarness) -> None:
    async with running(bench):
        bench.app.main.panes.queue.list.focus()
        await bench.press("f1")
        assert isinstance(bench.app.screen, HelpScreen)
        shown = bench.app.export_screenshot().replace("&#160;", " ")
        assert "kept on disk" in shown
        assert "Move the job forward" in shown
        await bench.press("escape")
        assert bench.at_main


async def test_help_and_footer_tell_the_keys_of_a_dialog(bench: AppHarness) -> None:
    async with running(bench, (120, 36)):
        bar = bench.app.main.query_one(KeyBar)
        assert "Generate" in bar.render().plain
        bench.app.main.panes.parameters.fields["policy"].focus()
        await bench.press("enter")
        assert isinstance(bench.app.screen, ChooseScreen)
        assert "Generate" not in bar.render().plain
        assert "Quit" in bar.render().plain
        await bench.press("f1")
        assert isinstance(bench.app.screen, HelpScreen)
        shown = bench.app.export_screenshot().replace("&#160;", " ")
        assert "Take the choice with the cursor" in shown
        assert "Queue a picture" not in shown
        assert "Leave; the form and the queue are kept" in shown  # it works there too
        await bench.press("f1", "escape")
        assert isinstance(bench.app.screen, ChooseScreen)
        await bench.press("escape")
        assert "Generate" in bar.render().plain


async def test_the_palette_has_the_actions_of_every_pane(bench: AppHarness) -> None:
    async with running(bench, (80, 24)):
        commands = {
            each.title: each.callback for each in bench.app.get_system_commands(bench.app.main)
        }
        assert "Generate · Queue a picture as the form says" in commands
        (title,) = [each for each in commands if each.startswith("Log: Filter · Leave out steps")]
        found = commands[title]()
        assert isinstance(found, Awaitable)
        await found
        await bench.settled()
        log = bench.app.main.panes.log
        assert log.list.has_focus
        assert "without steps" in str(log.border_title)


async def test_the_palette_finds_actions_by_name(bench: AppHarness) -> None:
    async with running(bench):
        titles = [each.title for each in bench.app.get_system_commands(bench.app.main)]
        for name in ("Jump", "Generate", "Quit", "History: Undo", "History: Reuse", "Full screen"):
            assert [title for title in titles if title.startswith(f"{name} · ")], name


async def test_help_and_palette_over_each_other(bench: AppHarness) -> None:
    async with running(bench):
        await bench.press("ctrl+p", "f1", "ctrl+p")
        assert isinstance(bench.app.screen, HelpScreen)
        await bench.press("escape", "escape")
        assert bench.at_main


async def test_a_form_of_another_version(own_folders: object, tmp_path: Path) -> None:
    save_state(SavedState(form={"dtype": "fp8", "memory_mode": "x", "prompt": "a cat"}))
    async with running(bench := AppHarness(tmp_path)):
        assert bench.app.main.generation.texts["dtype"] == "auto"
        assert bench.app.main.generation.texts["memory_mode"] == "auto"
        assert bench.app.main.generation.texts["prompt"] == "a cat"


async def test_form_theme_and_prompts_are_there_again(bench: AppHarness, tmp_path: Path) -> None:
    async with running(bench):
        await bench.press("f8")
        theme = bench.app.theme
        await bench.generate("a red apple", seed="7", sampler="Euler a")
        await bench.finished()
        bench.ask_for("half written")
        await bench.press("ctrl+q")
    assert load_state().form["prompt"] == "half written"
    again = AppHarness(tmp_path)
    async with running(again):
        main = again.app.main
        assert again.app.theme == theme
        assert main.generation.texts["prompt"] == "half written"
        assert main.generation.texts["seed"] == "7"
        assert main.generation.texts["sampler"] == "Euler a"
        await again.press("up")
        assert main.panes.prompt.text == "a red apple"
        await again.press("down")
        assert main.panes.prompt.text == "half written"


async def test_quit_asks_once_while_a_picture_is_made(bench: AppHarness) -> None:
    async with running(bench):
        bench.generator.hold.set()
        await bench.generate()
        await bench.until(lambda: bench.app.main.queue.presenter.progress.is_running)
        await bench.press("ctrl+q")
        assert isinstance(bench.app.screen, ConfirmScreen)
        await bench.press("escape")
        assert bench.at_main
        await bench.press("ctrl+q", "ctrl+q")
        assert bench.app.return_code == 0


async def test_keys_come_from_the_config(tmp_path: Path) -> None:
    bench = AppHarness(tmp_path, keys={"window.generate": "f10"})
    async with running(bench):
        bench.ask_for("a cat")
        await bench.press("ctrl+g")
        assert not bench.queue.jobs()
        await bench.press("f10")
        assert len(bench.queue.jobs()) == 1


async def test_the_log_is_filtered_saved_and_copied(bench: AppHarness) -> None:
    async with running(bench):
        await bench.generate()
        await bench.finished()
        log = bench.app.main.panes.log
        log.list.focus()
        assert "step" in log.text
        await bench.press("f")
        assert "step" not in log.text
        assert "finished" in log.text
        await bench.press("s", "y")
        (saved,) = paths.state_folder().glob("log-*.txt")
        assert saved.read_text() == log.text
        assert (paths.state_folder() / "copied.txt").read_text() == log.text
        assert bench.app.clipboard == log.text
        await bench.press("f", "f")
        assert log.text == ""
        await bench.press("f")
        assert "step" in log.text


async def test_a_full_disk_takes_neither_log_nor_copy(
    bench: AppHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    async with running(bench):
        monkeypatch.setattr("sdtui.tui.app.write_atomic", full)
        monkeypatch.setattr("sdtui.tui.screens.main.write_atomic", full)
        bench.app.main.panes.log.list.focus()
        await bench.until(lambda: bench.app.main.panes.log.text)
        await bench.press("s", "y")
        told = [each.message for each in bench.app._notifications]
        assert sum("No space left on device" in each for each in told) == 2
        assert bench.app.clipboard


async def test_the_log_keeps_its_newest_lines(bench: AppHarness) -> None:
    async with running(bench):
        log = bench.app.main.panes.log
        log.add([LogLine(0.0, EventLevel.INFO, f"line {number}") for number in range(3000)])
        assert log.list.count == 2000
        assert log.text.endswith("line 2999\n")


async def test_the_form_begins_with_the_settings(tmp_path: Path) -> None:
    bench = AppHarness(tmp_path, model="elsewhere", policy="strict")
    async with running(bench):
        assert bench.app.main.generation.texts["model"] == "elsewhere"
        assert bench.app.main.generation.texts["policy"] == "strict"


async def test_what_is_as_the_settings_say_follows_them(tmp_path: Path) -> None:
    before = AppHarness(tmp_path, speed="fast")
    async with running(before):
        before.app.main.generation.fill({"policy": "strict"})
        await before.press("ctrl+q")
    after = AppHarness(tmp_path, speed="max")
    async with running(after):
        texts = after.app.main.generation.texts
        assert (texts["speed"], texts["policy"]) == ("max", "strict")


async def test_ctrl_c_says_how_to_quit(bench: AppHarness) -> None:
    async with running(bench):
        await bench.press("f2", "f4", "ctrl+c")
        assert [each.message for each in bench.app._notifications] == ["Press ^q to quit."]


async def test_a_problem_is_as_high_as_its_text(bench: AppHarness) -> None:
    async with running(bench, (80, 24)):
        wrong = {"num_inference_steps": ".1", "guidance_scale": "x", "seed": "-5000000000"}
        bench.app.main.generation.fill(wrong)
        await bench.settled()
        told = {str(said.render()): said.region.height for said in bench.app.main.query(".problem")}
        assert told == {
            "↑ Steps: must be a whole number, not .1": 2,
            "↑ CFG scale: must be a number, not x": 2,
            "↑ must be greater than or equal to 0, not -5000000000": 2,
        }
        below = sorted(bench.app.main.query(".problem"), key=lambda said: said.region.y)
        assert [str(said.render()) for said in below] == list(told)


async def test_what_is_typed_takes_the_place_of_a_number(bench: AppHarness) -> None:
    async with running(bench):
        pictures = bench.app.main.panes.parameters.fields["num_images_per_prompt"]
        pictures.focus()
        await bench.press("3")
        assert pictures.text == "3"
        await bench.press("2")
        assert pictures.text == "32"


@pytest.mark.parametrize("moment", [ScreenResume, PartsImported])
async def test_ended_while_it_opens(bench: AppHarness, moment: type[Message]) -> None:
    def end(message: Message) -> None:
        if isinstance(message, moment) and bench.app.screen is bench.app.main:
            bench.app.exit(3)

    async with bench.app.run_test(message_hook=end):
        await bench.until(lambda: not bench.app.is_running)
    assert bench.app.return_value == 3
    bench.close()
