"""Fast typing: letters and bound keys come one after the other."""

from __future__ import annotations

from textual import events

from tests.tui.scripted import Bench, running


async def test_keys_count_in_the_order_in_which_they_are_pressed(bench: Bench) -> None:
    async with running(bench):
        editor = bench.app.main.prompt.editor
        for key, character in (("a", "a"), ("b", "b"), ("backspace", "\x7f"), ("c", "c")) * 3:
            editor.post_message(events.Key(key, character))
        await bench.settled()
        assert editor.text == "acacac"
