"""Earlier prompts come back with up and down at the edges of the text."""

from __future__ import annotations

from sdtui.tui.panes.prompt import PromptEditor
from tests.support.app_harness import AppHarness, running

LONG = "a very long prompt that does not fit into one line of the editor " * 2


async def used(bench: AppHarness, *prompts: str) -> PromptEditor:
    """Make a picture of each, then empty the editor."""
    for prompt in prompts:
        await bench.generate(prompt)
    bench.ask_for("")
    editor = bench.app.main.panes.prompt.editor
    editor.focus()
    await bench.settled()
    return editor


async def test_up_and_down_go_through_what_was_written(bench: AppHarness) -> None:
    async with running(bench):
        editor = await used(bench, "one", "two", "one")
        await bench.write("new")
        seen = []
        for key in ("up", "up", "up", "down", "down", "down"):
            await bench.press(key)
            seen.append(editor.text)
        assert seen == ["one", "two", "two", "one", "new", "new"]


async def test_what_was_written_meanwhile_is_kept(bench: AppHarness) -> None:
    async with running(bench):
        editor = await used(bench, "one", "two")
        await bench.write("new")
        await bench.press("up", "up")
        await bench.write(" of many")  # what was brought back is changed
        await bench.press("down", "down")
        assert editor.text == "new"
        await bench.press("up", "up")
        assert editor.text == "one of many"
        await bench.press("up")
        bench.ask_for("reused")  # as from the history
        await bench.press("down")
        assert editor.text == "reused"
        await bench.press("up")
        assert editor.text == "two"


async def test_the_negative_prompt_has_its_own(bench: AppHarness) -> None:
    async with running(bench):
        for negative in ("fog", "rain"):
            await bench.generate("a cat", negative_prompt=negative)
        bench.ask_for("", negative_prompt="")
        await bench.press("tab", "up", "up")
        assert bench.app.main.generation.texts["negative_prompt"] == "fog"
        assert bench.app.main.generation.texts["prompt"] == ""


async def test_within_a_broken_line_up_and_down_move(bench: AppHarness) -> None:
    async with running(bench, (80, 24)):
        editor = await used(bench, "one")
        bench.ask_for(LONG)
        await bench.press("ctrl+end")
        await bench.press("up")
        assert editor.text == LONG
        assert 0 < editor.cursor_location[1] < len(LONG)
        for _ in range(10):
            await bench.press("up")
        assert editor.text == "one"
        await bench.press("down")
        assert editor.text == LONG


async def test_between_two_lines_up_and_down_move(bench: AppHarness) -> None:
    async with running(bench):
        editor = await used(bench, "one")
        await bench.press(*"ab", "enter", *"cd", "up")
        assert editor.text == "ab\ncd"
        assert editor.cursor_location == (0, 2)
        await bench.press("up")
        assert editor.text == "one"
