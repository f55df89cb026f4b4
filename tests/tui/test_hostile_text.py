"""Markup and escape sequences in prompts, metadata, names and errors show as text everywhere."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from sdtui.core.errors import GenerationError
from sdtui.tui.screens.compare import CompareScreen
from sdtui.tui.screens.dialogs import AskScreen, ConfirmScreen
from tests.support.app_harness import AppHarness, running
from tests.support.records import picture, record

MARKUP = "[[blurry]], [/red] [b"
EVIL = f"evil \x1b[2J\x1b]0;owned\x07 \x9b2J \u202e {MARKUP}"


def is_harmless(harness: AppHarness) -> bool:
    """True if no character is a control character or changes the text direction."""
    bad = {*map(chr, range(32)), "\x7f", *map(chr, range(0x80, 0xA0)), "\u202e"}
    return not any(bad & set(line) for line in harness.screen_text().splitlines())


@pytest.mark.parametrize("size", [(80, 24), (120, 36), (200, 60)])
async def test_in_a_job_from_form_to_history(harness: AppHarness, size: tuple[int, int]) -> None:
    async with running(harness, size):
        harness.fill_form(EVIL, negative_prompt=EVIL)
        await harness.press("ctrl+g")
        await harness.finished()
        main = harness.app.main
        await harness.until(lambda: main.panes.gallery.total == 1)
        for key in ("f3", "f12", "escape", "f4", "f6", "escape", "f2"):
            await harness.press(key)
            assert is_harmless(harness), key
        assert main.panes.dock.prompt.text == EVIL
        assert harness.generator.requests[0].prompt == EVIL


async def test_in_an_error(harness: AppHarness) -> None:
    async with running(harness):
        harness.generator.failure = GenerationError(EVIL, EVIL, stage="decode")
        await harness.generate()
        await harness.finished()
        await harness.until(lambda: MARKUP in harness.screen_text())
        assert is_harmless(harness)
        await harness.press("f12")
        assert is_harmless(harness)
        assert MARKUP in harness.screen_text()


async def test_in_what_is_pasted_into_a_line(harness: AppHarness) -> None:
    async with running(harness):
        main = harness.app.main
        harness.app.recipe.change({"init_image": EVIL, "model": EVIL})
        main.panes.gallery.search_line.value = EVIL
        await harness.settled()
        assert is_harmless(harness)
        await harness.press("alt+m")
        await harness.press(*"some")
        harness.app.push_screen(AskScreen(EVIL, EVIL))
        await harness.settled()
        assert is_harmless(harness)
        harness.app.push_screen(ConfirmScreen("Go on?", "?", "yes", "no"))
        harness.app.notify(EVIL)
        main.notify(EVIL, title="x")
        await harness.settled()
        assert is_harmless(harness)


async def test_in_a_foreign_picture(harness: AppHarness, tmp_path: Path) -> None:
    info = PngInfo()
    infotext = f"{EVIL}\nNegative prompt: {EVIL}\nSteps: 5, Sampler: Euler, CFG scale: 7, Seed: 3, "
    info.add_text("parameters", infotext + "Size: 64x64, Model: \x1b[31m[/b]")
    file = tmp_path / "foreign.png"
    Image.new("RGB", (64, 64)).save(file, pnginfo=info)
    harness.history.import_([file])
    async with running(harness):
        main = harness.app.main
        await harness.press("f4")
        await harness.until(lambda: main.panes.gallery.selected)
        await harness.until(lambda: "evil" in harness.screen_text())
        assert is_harmless(harness)
        await harness.press("r")
        await harness.until(lambda: MARKUP in main.panes.dock.prompt.text)
        await harness.settled()
        assert is_harmless(harness)


async def test_in_tags_and_comparisons(harness: AppHarness) -> None:
    for seed, prompt in enumerate((EVIL, "a cat")):
        saved = harness.history.save(picture(), record(prompt, seed=seed), 0)
        harness.history.tag(saved.path, "[/b]")
    async with running(harness, (200, 60)):
        main = harness.app.main
        await harness.press("f4")
        await harness.until(lambda: main.panes.gallery.grid.has_focus and main.panes.gallery.total)
        await harness.press("t")
        await harness.until(lambda: isinstance(harness.app.screen, AskScreen))
        await harness.settled()
        assert "now: [/b]" in harness.screen_text()
        await harness.press("escape", "c", "l", "c")
        await harness.until(lambda: isinstance(harness.app.screen, CompareScreen))
        await harness.until(lambda: MARKUP in harness.screen_text())
        assert is_harmless(harness)


async def test_in_the_names_of_files(harness: AppHarness, tmp_path: Path) -> None:
    (tmp_path / "a \x1b[2J [b].png").touch()
    async with running(harness):
        harness.app.recipe.change({"init_image": str(tmp_path / "x.png")})
        await harness.go_to_field("init_image")
        await harness.press("enter")
        await harness.until(lambda: not harness.at_main)
        await harness.settled()
        assert is_harmless(harness)
        assert "[b].png" in harness.screen_text()
