"""Fast typing: keys take effect in the order in which they were pressed."""

from __future__ import annotations

import asyncio

import pytest

from sdtui.jobs import JobState
from tests.support.app_harness import AppHarness, running
from tests.support.keyboard import key_event


async def test_letters_wait_for_backspace(harness: AppHarness) -> None:
    async with running(harness):
        await harness.type_at_once(*["a", "b", "backspace", "c"] * 3)
        assert harness.panes.dock.prompt.text == "acacac"


async def test_keys_that_a_prompt_handles_do_not_wait(harness: AppHarness) -> None:
    async with running(harness):
        prompt, free = harness.panes.dock.prompt, asyncio.Event()
        harness.panes.dock.call_later(free.wait)
        for key in [*"a bat", "home", "right", "right", "delete", "c", "end", "s", "backspace"]:
            harness.app.post_message(key_event(key))
        await harness.until(lambda: prompt.text == "a cat")
        for key in ("ctrl+o", "-", "x"):
            harness.app.post_message(key_event(key))
        free.set()
        await harness.until(lambda: harness.panes.dock.negative.text == "x")
        assert prompt.text == "a cat"


async def test_letters_go_where_tab_led(harness: AppHarness) -> None:
    async with running(harness):
        await harness.type_at_once(*"a cat", "shift+tab", *"fog", "tab", "!")
        assert harness.texts["prompt"] == "a cat!"
        assert harness.texts["negative_prompt"] == "fog"


async def test_request_has_everything_typed_before(harness: AppHarness) -> None:
    async with running(harness):
        await harness.type_at_once(*"a cat", "ctrl+g", *"s", "ctrl+g")
        await harness.until(lambda: len(harness.generator.requests) == 2)
        assert [each.prompt for each in harness.generator.requests] == ["a cat", "a cats"]


async def test_new_job_can_be_cancelled_at_once(harness: AppHarness) -> None:
    async with running(harness):
        harness.generator.hold.set()
        await harness.type_at_once("a", "ctrl+g", "ctrl+c", "ctrl+c")
        await harness.until(lambda: harness.queue.jobs()[0].state is JobState.CANCELLED)


async def test_letters_go_into_the_dialog_that_a_key_opened(harness: AppHarness) -> None:
    async with running(harness):
        await harness.go_to_field("policy")
        await harness.type_at_once("enter", *"tut", "enter", "right")
        assert harness.at_main
        assert harness.texts["policy"] == "keep"


async def test_keys_of_the_list_wait_until_the_search_is_left(harness: AppHarness) -> None:
    async with running(harness):
        await harness.type_at_once("f4", "/", *"cat", "enter", "u")
        pane = harness.panes.gallery
        await harness.until(harness.notifications)  # the search runs on another thread
        assert pane.grid.has_focus
        assert pane.search_line.value == "cat"
        assert harness.notifications() == ["Nothing was changed since the start."]


async def test_a_jump_is_done_before_the_next_key(harness: AppHarness) -> None:
    async with running(harness):
        await harness.type_at_once("ctrl+o", "-", *"fog", "f4", "/", *"cat")
        assert harness.texts["negative_prompt"] == "fog"
        assert harness.panes.gallery.search_line.value == "cat"


@pytest.mark.parametrize("keys", [20, 1200])
async def test_any_number_of_keys_may_wait(harness: AppHarness, keys: int) -> None:
    async with running(harness):
        prompt, free = harness.panes.dock.prompt, asyncio.Event()
        harness.panes.dock.call_later(free.wait)
        for key in ["f2", "alt+a", *["x"] * keys, "shift+tab", "y"]:
            harness.app.post_message(key_event(key))
        free.set()
        await harness.until(lambda: harness.panes.dock.negative.text == "y")
        assert prompt.text == "x" * keys
