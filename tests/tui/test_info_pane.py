"""The info about the current picture."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from textual.app import ComposeResult

from sdtui.history import Entry
from sdtui.tui.labelled_line import LabelledLine
from sdtui.tui.panes.info import InfoPane
from sdtui.tui.themed_app import ThemedApp
from sdtui.tui.widgets.labelled_lines import LabelledLines
from tests.support.app_harness import AppHarness, running
from tests.support.records import record

ENTRY = Entry(
    id=1,
    path=Path("/pictures/tiger.png"),
    time=datetime.now(UTC),
    prompt="a tiger",
    negative_prompt="",
    model="pocket",
    sampler="",
    seed=1,
    width=64,
    height=64,
    steps=20,
    guidance=6.5,
    starred=False,
    tags=(),
    problem="",
)


class InfoApp(ThemedApp):
    """Shows the pane alone."""

    def __init__(self) -> None:
        super().__init__()
        self.copied: list[tuple[str, str]] = []
        self.pane = InfoPane("info", lambda text, name: self.copied.append((text, name)))

    def compose(self) -> ComposeResult:
        yield self.pane

    async def on_mount(self) -> None:
        await self.pane.open()


def drawn(view: LabelledLines) -> list[str]:
    """Return the lines on the screen."""
    return [view.render_line(y).text.rstrip() for y in range(view.size.height)]


async def test_labels_are_right_aligned_and_long_texts_wrapped() -> None:
    app = InfoApp()
    async with app.run_test(size=(40, 30)) as pilot:
        app.pane.show(ENTRY, record("a tiger " * 10, negative_prompt="blurry"))
        await pilot.pause()
        lines = drawn(app.pane.view)
        assert lines[0] == "a tiger a tiger a tiger a tiger a"
        assert "− blurry" in lines
        assert "     Size  64×64" in lines
        model = lines.index("    Model  pocket · sd1 · 6ce0161689")
        assert lines[model + 1].startswith("     Made  ")
        assert "     File  /pictures/tiger.png" in lines


async def test_narrow_place_puts_texts_below_their_labels() -> None:
    app = InfoApp()
    async with app.run_test(size=(20, 40)) as pilot:
        app.pane.show(ENTRY, record())
        await pilot.pause()
        lines = drawn(app.pane.view)
        assert lines[lines.index("Size") + 1] == "64×64"


async def test_searched_words_are_highlighted_in_the_prompts_only() -> None:
    app = InfoApp()
    async with app.run_test(size=(80, 30)) as pilot:
        app.pane.show(ENTRY, record("A Tiger, blue"), "tiger pocket")
        await pilot.pause()
        bold = [
            segment.text
            for y in range(app.pane.view.size.height)
            for segment in app.pane.view.render_line(y)
            if segment.style and segment.style.bold
        ]
        assert bold == ["Tiger"]


async def test_star_and_tags_are_shown() -> None:
    app = InfoApp()
    async with app.run_test(size=(80, 30)):
        app.pane.show(replace(ENTRY, starred=True, tags=("cat", "garden")), record())
        assert LabelledLine("Tags", "★ cat, garden") in app.pane.view.lines


async def test_record_is_shown_as_json_and_copied() -> None:
    app = InfoApp()
    async with app.run_test(size=(80, 30)) as pilot:
        app.pane.show(ENTRY, record())
        app.pane.view.focus()
        await pilot.press("J")
        await pilot.press("y")
        ((text, _),) = app.copied
        assert json.loads(text)["seed"] == 42
        await pilot.press("escape", "C")
        assert "Size: 64×64" in app.copied[1][0]


async def test_long_info_scrolls_by_keys() -> None:
    app = InfoApp()
    async with app.run_test(size=(40, 8)) as pilot:
        app.pane.show(ENTRY, record("a tiger " * 50))
        app.pane.view.focus()
        await pilot.press("G")
        assert drawn(app.pane.view)[-1].endswith("/pictures/tiger.png")
        await pilot.press("g")
        assert drawn(app.pane.view)[0].startswith("a tiger")
        await pilot.press("G")
        app.pane.show(ENTRY, record("another " * 50))
        await pilot.pause()
        assert drawn(app.pane.view)[0].startswith("another")


async def test_without_a_picture_it_says_what_will_appear() -> None:
    app = InfoApp()
    async with app.run_test(size=(80, 8)) as pilot:
        app.pane.show(ENTRY, record())
        app.pane.show(None, None)
        await pilot.pause()
        assert drawn(app.pane.view)[0] == "How the current picture was made is shown here."


async def test_forming_picture_shows_what_was_requested(harness: AppHarness) -> None:
    async with running(harness):
        harness.generator.hold.set()
        await harness.generate("a forming tiger", num_inference_steps="33")
        lines = harness.panes.info.view
        await harness.until(lambda: "a forming tiger" in lines.text)
        assert "Steps: 33" in lines.text
        harness.generator.hold.clear()
        await harness.until(lambda: "File: " in lines.text)
