"""The dock: prompts, chips, completion, and undoing."""

from __future__ import annotations

import pytest
from textual import events

from sdtui.requests.presets import load_presets
from sdtui.tui.panes.dock import prompt_rows
from sdtui.tui.screens.value import ValueScreen
from tests.support.app_harness import AppHarness, running
from tests.support.records import picture


async def test_enter_generates_and_ctrl_j_begins_a_line(harness: AppHarness) -> None:
    async with running(harness):
        await harness.press(*"one", "ctrl+j", *"two", "enter")
        await harness.finished()
        assert harness.generator.requests[0].prompt == "one\ntwo"
        assert harness.texts["prompt"] == "one\ntwo"


async def test_lines_of_a_pasted_text_stay_lines(harness: AppHarness) -> None:
    async with running(harness):
        event = events.Paste("one\ntwo\n")
        event.set_sender(harness.app)
        harness.app.post_message(event)
        await harness.settled()
        assert harness.texts["prompt"] == "one\ntwo\n"
        assert not harness.queue.jobs()


@pytest.mark.parametrize(
    ("window", "least", "needed", "rows"),
    [(24, 1, 1, 1), (24, 1, 9, 4), (36, 3, 1, 3), (36, 3, 9, 7), (60, 2, 20, 8), (16, 1, 9, 3)],
)
def test_a_long_prompt_grows_within_its_share(
    window: int, least: int, needed: int, rows: int
) -> None:
    assert prompt_rows(window, least, needed) == rows


async def test_the_prompt_grows_while_it_is_long(harness: AppHarness) -> None:
    async with running(harness, (80, 24)):
        dock = harness.panes.dock
        assert dock.region.height == 5
        harness.fill_form("a very long prompt " * 10)
        await harness.settled()
        assert dock.prompt.region.height == 3
        harness.fill_form("a very long prompt " * 40)
        await harness.settled()
        assert dock.prompt.region.height == 4
        assert harness.panes.stage.region.height == 14
        harness.fill_form("a cat")
        await harness.settled()
        assert dock.prompt.region.height == 1


async def test_the_negative_prompt_grows_while_it_has_the_focus(harness: AppHarness) -> None:
    async with running(harness, (80, 24)):
        negative = harness.panes.dock.negative
        harness.fill_form("", negative_prompt="blurry, text, " * 10)
        await harness.settled()
        assert negative.region.height == 1
        await harness.press("down")
        assert negative.has_focus
        assert negative.region.height == 2
        await harness.press("escape")
        await harness.settled()
        assert negative.region.height == 1
        assert "blurry, text" in negative.render_line(0).text


async def test_arrows_lead_from_one_prompt_to_the_other(harness: AppHarness) -> None:
    async with running(harness):
        dock = harness.panes.dock
        await harness.press(*"ab", "down")
        assert dock.negative.has_focus
        await harness.press(*"cd", "up", "e")
        assert (harness.texts["prompt"], harness.texts["negative_prompt"]) == ("abe", "cd")


async def test_everything_can_be_undone_from_everywhere(harness: AppHarness) -> None:
    async with running(harness):
        harness.app.recipe.change({"prompt": "draft"})
        harness.app.recipe.change({"prompt": "reused", "seed": "7"})
        await harness.go_to_field("num_inference_steps")
        await harness.press("9")
        await harness.press("ctrl+z")
        assert harness.texts["num_inference_steps"] == ""
        harness.panes.log.list.focus()
        await harness.press("ctrl+z")
        assert (harness.texts["prompt"], harness.texts["seed"]) == ("draft", "")
        assert harness.panes.dock.prompt.text == "draft"
        await harness.press("ctrl+y", "ctrl+y")
        assert harness.texts["prompt"] == "reused"
        assert harness.texts["num_inference_steps"] == "9"
        await harness.press("ctrl+y")
        assert harness.notifications() == ["There is nothing to redo."]


async def test_undoing_leaves_the_cursor_where_the_text_changed(harness: AppHarness) -> None:
    async with running(harness):
        harness.fill_form("a cat on a mat")
        harness.fill_form("a dog on a mat")
        await harness.settled()
        await harness.press("ctrl+z")
        editor = harness.panes.dock.prompt
        assert editor.text == "a cat on a mat"
        assert editor.cursor_location == (0, 5)
        await harness.press("s")
        assert harness.texts["prompt"] == "a cats on a mat"


async def test_what_was_written_before_completes_a_prompt(harness: AppHarness) -> None:
    async with running(harness):
        await harness.generate("a cat, golden hour")
        harness.fill_form("")
        editor = harness.panes.dock.prompt
        await harness.write("a dog, gol")
        assert editor.suggestion == "den hour"
        assert "a dog, golden hour" in harness.screen_text()
        assert harness.texts["prompt"] == "a dog, gol"
        await harness.press("right")
        assert harness.texts["prompt"] == "a dog, golden hour"
        await harness.press(*", gol", "home")
        assert editor.suggestion == ""
        await harness.press("end", "backspace", "l", "ctrl+e")
        assert harness.texts["prompt"] == "a dog, golden hour, golden hour"
        await harness.press("ctrl+z")
        assert harness.texts["prompt"].endswith(", gol")


async def test_wide_letters_are_completed(harness: AppHarness) -> None:
    async with running(harness):
        await harness.generate("x, 猫と犬の庭")
        harness.fill_form("")
        await harness.write("y, 猫と")
        assert "y, 猫と犬の庭" in harness.screen_text()
        await harness.press("right")
        assert harness.texts["prompt"] == "y, 猫と犬の庭"


async def test_a_click_on_a_chip_edits_its_value(harness: AppHarness) -> None:
    async with running(harness):
        await harness.until(lambda: "20 steps" in harness.screen_text())
        place = harness.panes.dock.place_of("num_inference_steps")
        await harness.pilot.click(offset=(place.x + 1, place.y))
        await harness.settled()
        screen = harness.app.screen
        assert isinstance(screen, ValueScreen)
        assert screen.line.region.y == place.y
        await harness.press("escape")
        assert harness.at_main


async def test_a_letter_edits_a_chip_and_enter_generates(harness: AppHarness) -> None:
    async with running(harness):
        harness.fill_form("a cat", num_inference_steps="9")
        await harness.press("ctrl+o", "t", "7", "enter")
        await harness.finished()
        assert harness.generator.requests[0].num_inference_steps == 7
        assert "7 steps•" in harness.screen_text()


async def test_tab_takes_the_value_and_goes_to_the_next_chip(harness: AppHarness) -> None:
    async with running(harness):
        await harness.press("ctrl+o", "s", *"euler a", "tab", *"12", "tab", "tab", *"64x128")
        await harness.press("shift+tab", "escape")
        assert harness.at_main
        changed = {name: harness.texts[name] for name in ("sampler", "num_inference_steps")}
        assert changed == {"sampler": "Euler a", "num_inference_steps": "12"}
        assert harness.texts["guidance_scale"] == ""
        assert (harness.texts["width"], harness.texts["height"]) == ("64", "128")
        assert not harness.queue.jobs()


async def test_a_wrong_value_says_why_and_moves_nothing(harness: AppHarness) -> None:
    async with running(harness, (80, 24)):
        await harness.press("ctrl+o", "w")
        screen = harness.app.screen
        assert isinstance(screen, ValueScreen)
        before = screen.line.region
        await harness.press(*"100x64", "enter")
        assert harness.app.screen is screen
        assert "Width: must be a multiple of 8" in harness.screen_text()
        assert harness.app.screen.query_one("LineInput").region == before
        await harness.press("escape")
        assert harness.texts["width"] == ""


async def test_arrows_step_numbers_and_choose_seeds(harness: AppHarness) -> None:
    async with running(harness):
        await harness.until(lambda: harness.app.recipe.native("num_inference_steps"))
        native = harness.app.recipe.native("num_inference_steps")
        assert isinstance(native, int)
        await harness.press("ctrl+o", "t", "up", "up", "down", "tab", "escape")
        assert harness.texts["num_inference_steps"] == str(native + 1)
        harness.app.recipe.last_seed = 77
        await harness.press("ctrl+o", "e", "up", "up", "tab", "escape")
        assert harness.texts["seed"] == "77"
        await harness.press("ctrl+o", "e", "backspace", "tab", "escape")
        assert harness.texts["seed"] == ""


async def test_a_preset_is_saved_applied_and_deleted(harness: AppHarness) -> None:
    async with running(harness):
        harness.fill_form("a cat", num_inference_steps="8", seed="5")
        await harness.press("ctrl+o", "p", *"draft", "enter")
        await harness.until(lambda: "preset draft ▾" in harness.screen_text())
        harness.fill_form("a dog", num_inference_steps="30")
        await harness.settled()
        assert "preset ▾" in harness.screen_text()
        await harness.press("ctrl+o", "p", "enter")
        assert harness.texts["num_inference_steps"] == "8"
        assert (harness.texts["prompt"], harness.texts["seed"]) == ("a dog", "5")
        await harness.press("ctrl+z")
        assert harness.texts["num_inference_steps"] == "30"
        await harness.press("ctrl+o", "p", *"draft", "down", "down", "down", "enter")
        await harness.until(lambda: "was deleted" in harness.last_notification)
        assert load_presets() == {}
        await harness.press("ctrl+o", "p", "enter")
        await harness.until(lambda: "is as it was" in harness.last_notification)
        assert load_presets() == {"draft": {"num_inference_steps": 8}}


async def test_start_image_shows_in_the_chips_and_asks_for_the_strength(
    harness: AppHarness,
) -> None:
    harness.settings.pictures.mkdir(parents=True)
    file = harness.settings.pictures / "tiger.png"
    picture().save(file)
    async with running(harness):
        harness.app.main.generation.use_init_image(str(file))
        await harness.until(lambda: not harness.at_main)
        await harness.press(*"0.5", "tab", "escape")
        assert "from tiger.png @0.5•" in harness.screen_text()
        await harness.press("ctrl+z", "ctrl+z")
        assert "tiger.png" not in harness.screen_text()
