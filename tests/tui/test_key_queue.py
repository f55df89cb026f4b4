"""Fast typing: keys take effect in the order in which they were pressed, whatever they do."""

from __future__ import annotations

import asyncio

from sdtui.jobs import JobState
from tests.support.app_harness import AppHarness, running
from tests.support.keyboard import key_event


async def type_at_once(bench: AppHarness, *keys: str) -> None:
    """All keys arrive before the first has been dealt with, as on a busy machine."""
    for key in keys:
        bench.app.post_message(key_event(key))
    await bench.settled()


async def test_letters_wait_for_backspace(bench: AppHarness) -> None:
    async with running(bench):
        await type_at_once(bench, *["a", "b", "backspace", "c"] * 3)
        assert bench.app.main.panes.prompt.text == "acacac"


async def test_what_a_prompt_does_itself_waits_for_nothing_around_it(bench: AppHarness) -> None:
    async with running(bench):
        pane, free = bench.app.main.panes.prompt, asyncio.Event()
        pane.call_later(free.wait)
        for key in [*"a bat", "home", "right", "right", "delete", "c", "end", "s", "backspace"]:
            bench.app.post_message(key_event(key))
        await bench.until(lambda: pane.text == "a cat")
        bench.app.post_message(key_event("tab"))
        bench.app.post_message(key_event("x"))
        free.set()
        await bench.until(lambda: bench.app.main.panes.negative.text == "x")
        assert pane.text == "a cat"


async def test_letters_go_where_tab_led(bench: AppHarness) -> None:
    async with running(bench):
        await type_at_once(bench, *"a cat", "tab", *"fog", "shift+tab", "!")
        assert bench.app.main.generation.texts["prompt"] == "a cat!"
        assert bench.app.main.generation.texts["negative_prompt"] == "fog"


async def test_a_picture_is_asked_for_with_all_that_was_typed_before(bench: AppHarness) -> None:
    async with running(bench):
        await type_at_once(bench, *"a cat", "ctrl+g", *"s", "ctrl+g")
        await bench.until(lambda: len(bench.generator.requests) == 2)
        assert [each.prompt for each in bench.generator.requests] == ["a cat", "a cats"]


async def test_what_was_just_asked_for_can_be_cancelled(bench: AppHarness) -> None:
    async with running(bench):
        bench.generator.hold.set()
        await type_at_once(bench, "a", "ctrl+g", "ctrl+x")
        await bench.until(lambda: bench.queue.jobs()[0].state is JobState.CANCELLED)


async def test_letters_go_into_the_dialog_that_a_key_opened(bench: AppHarness) -> None:
    async with running(bench):
        form = bench.app.main.panes.parameters
        form.fields["policy"].focus()
        await type_at_once(bench, "enter", *"tut", "enter", "right")
        assert bench.at_main
        assert form.texts["policy"] == "keep"


async def test_keys_of_the_list_wait_until_the_search_is_left(bench: AppHarness) -> None:
    async with running(bench):
        await type_at_once(bench, "f4", "/", *"cat", "enter", "u")
        pane = bench.app.main.panes.history
        await bench.until(lambda: pane.list.has_focus)  # the search runs on another thread
        await bench.settled()
        assert pane.search.value == "cat"
        told = [each.message for each in bench.app._notifications]
        assert told == ["Nothing was put into the trash since the start."]


async def test_a_jump_is_done_before_the_next_key(bench: AppHarness) -> None:
    async with running(bench):
        await type_at_once(bench, "ctrl+o", "s", *"fog", "f4", "/", *"cat")
        assert bench.app.main.generation.texts["negative_prompt"] == "fog"
        assert bench.app.main.panes.history.search.value == "cat"
