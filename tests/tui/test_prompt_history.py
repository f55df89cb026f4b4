"""Earlier prompts come back with up and down at the edges of the text."""

from __future__ import annotations

from sdtui.tui.panes.prompt import PromptEditor
from tests.support.app_harness import AppHarness, running

LONG = "a very long prompt that does not fit into one line of the editor " * 2


async def used(harness: AppHarness, *prompts: str) -> PromptEditor:
    """Make a picture of each prompt, then empty the editor."""
    for prompt in prompts:
        await harness.generate(prompt)
    harness.fill_form("")
    editor = harness.panes.dock.prompt
    editor.focus()
    await harness.settled()
    return editor


async def test_up_and_down_go_through_earlier_prompts(harness: AppHarness) -> None:
    async with running(harness):
        editor = await used(harness, "one", "two", "one")
        await harness.write("new")
        seen = []
        for key in ("up", "up", "up", "down", "down", "down"):
            await harness.press(key)
            seen.append(editor.text)
        assert seen == ["one", "two", "two", "one", "new", "new"]


async def test_drafts_are_restored(harness: AppHarness) -> None:
    async with running(harness):
        editor = await used(harness, "one", "two")
        await harness.write("new")
        await harness.press("up", "up")
        await harness.write(" of many")  # what was brought back is changed
        await harness.press("down", "down")
        assert editor.text == "new"
        await harness.press("up", "up")
        assert editor.text == "one of many"
        await harness.press("up")
        harness.fill_form("reused")  # as from the history
        await harness.press("down")
        assert editor.text == "reused"
        await harness.press("up", "up")  # back from the negative prompt
        assert editor.text == "two"


async def test_the_negative_prompt_has_its_own(harness: AppHarness) -> None:
    async with running(harness):
        for negative in ("fog", "rain"):
            await harness.generate("a cat", negative_prompt=negative)
        harness.fill_form("", negative_prompt="")
        below = harness.panes.dock.negative
        await harness.press("down")
        assert below.has_focus
        seen = []
        for key in ("down", "down", "down", "up", "up"):
            await harness.press(key)
            seen.append(below.text)
        assert seen == ["rain", "fog", "fog", "rain", ""]
        assert harness.texts["prompt"] == ""
        await harness.press("up")
        assert harness.panes.dock.prompt.has_focus


async def test_within_a_broken_line_up_and_down_move(harness: AppHarness) -> None:
    async with running(harness, (80, 24)):
        editor = await used(harness, "one")
        harness.fill_form(LONG)
        await harness.press("ctrl+end")
        await harness.press("up")
        assert editor.text == LONG
        assert 0 < editor.cursor_location[1] < len(LONG)
        for _ in range(10):
            await harness.press("up")
        assert editor.text == "one"
        await harness.press("down")
        assert editor.text == LONG


async def test_between_two_lines_up_and_down_move(harness: AppHarness) -> None:
    async with running(harness):
        editor = await used(harness, "one")
        await harness.press(*"ab", "ctrl+j", *"cd", "up")
        assert editor.text == "ab\ncd"
        assert editor.cursor_location == (0, 2)
        await harness.press("up")
        assert editor.text == "one"
