"""The keys of vim, and the usual ones, move through every list."""

from __future__ import annotations

import pytest
from textual.widget import Widget

from sdtui.core.enums import EventLevel
from sdtui.tui.actions import actions_in
from sdtui.tui.job_progress import LogLine
from sdtui.tui.screens.settings import SettingsScreen
from tests.support.app_harness import AppHarness, running

LINES = 100


async def test_keys_move_the_cursor(harness: AppHarness) -> None:
    async with running(harness):
        log = harness.panes.log
        await harness.until(lambda: "ready ·" in log.text)
        log.add([LogLine(0.0, EventLevel.INFO, f"line {number}") for number in range(LINES)])
        harness.app.main.window.show_tab("log")
        await harness.press("g")
        assert log.list.cursor == 0
        page = log.list.content_size.height - 1
        last = log.list.count - 1
        there = (("j", 1), ("down", 2), ("k", 1), ("up", 0), ("k", 0), ("G", last), ("j", last))
        pages = (("home", 0), ("ctrl+d", page), ("pagedown", 2 * page), ("ctrl+u", page))
        for key, line in (*there, *pages, ("pageup", 0), ("end", last)):
            await harness.press(key)
            assert log.list.cursor == line, key
            assert log.list.items[line].text[:9] in seen(log.list)


async def test_one_line_more_does_not_lay_out_the_window(harness: AppHarness) -> None:
    async with running(harness):
        log = harness.panes.log
        layouts: list[object] = []
        harness.app.main.window.show_tab("log")
        await harness.until(lambda: "ready ·" in log.text)
        log.add([LogLine(0.0, EventLevel.INFO, f"line {number}") for number in range(LINES)])
        await harness.settled()
        log.add([LogLine(0.0, EventLevel.INFO, "with the scrollbar the lines are shorter")])
        await harness.settled()
        await harness.settled()  # the scrollbar, now that it is there, is laid out once more
        harness.app.main.screen_layout_refresh_signal.subscribe(log, layouts.append)
        log.add([LogLine(0.0, EventLevel.INFO, "one more")])
        await harness.settled()
        assert "one more" in seen(log.list)
        assert not layouts
        scrollbar = log.list.vertical_scrollbar
        assert scrollbar.window_virtual_size == log.list.count
        assert scrollbar.position == log.list.max_scroll_y


def seen(widget: Widget) -> str:
    """Return the text of a widget."""
    return "\n".join(widget.render_line(y).text for y in range(widget.size.height))


async def test_every_list_has_them(harness: AppHarness) -> None:
    keys = {key for action in actions_in("list") for key in action.keys.split(",")}
    async with running(harness):
        main = harness.app.main
        lists = (main.panes.queue.list, main.panes.log.list)
        for each in (*lists, main.panes.info.view):
            each.focus()
            await harness.settled()
            of_lists = {
                key
                for key, active in main.active_bindings.items()
                if (active.binding.id or "").startswith("list.")
            }
            assert of_lists == keys, each
        await harness.press("f9")
        screen = harness.app.screen
        assert isinstance(screen, SettingsScreen)
        await harness.press("j", "j", "k")
        assert screen.list.cursor == 1


@pytest.mark.parametrize("key", ["y", "s"])
async def test_an_empty_log_is_neither_copied_nor_saved(harness: AppHarness, key: str) -> None:
    async with running(harness):
        log = harness.panes.log
        await harness.until(lambda: "ready ·" in log.text)  # what is logged at the start
        log.lines.clear()
        log.list.show_items([])
        log.list.focus()
        await harness.press(key)
        assert harness.notifications() == ["The log is empty."]
