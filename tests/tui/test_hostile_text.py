"""Markup and escape sequences in prompts, metadata, names and errors show as text everywhere."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from sdtui.core.errors import GenerationError
from sdtui.tui.screens.dialogs import AskScreen, ConfirmScreen
from sdtui.tui.screens.picture import CompareScreen
from tests.support.app_harness import AppHarness, running
from tests.support.records import picture, record

MARKUP = "[[blurry]], [/red] [b"
EVIL = f"evil \x1b[2J\x1b]0;owned\x07 \x9b2J \u202e {MARKUP}"


def drawn(bench: AppHarness) -> str:
    """Every letter that goes to the terminal."""
    strips = bench.app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip) for strip in strips)


def is_harmless(bench: AppHarness) -> bool:
    """Whether none of them is a command or turns the line round."""
    bad = {*map(chr, range(32)), "\x7f", *map(chr, range(0x80, 0xA0)), "\u202e"}
    return not any(bad & set(line) for line in drawn(bench).splitlines())


@pytest.mark.parametrize("size", [(80, 24), (120, 36), (200, 60)])
async def test_in_a_job_from_form_to_history(bench: AppHarness, size: tuple[int, int]) -> None:
    async with running(bench, size):
        bench.ask_for(EVIL, negative_prompt=EVIL)
        await bench.press("ctrl+g")
        await bench.finished()
        main = bench.app.main
        await bench.until(lambda: main.panes.history.list.count == 1)
        for key in ("f3", "f12", "escape", "f4", "f6", "escape", "f2"):
            await bench.press(key)
            assert is_harmless(bench), key
        assert main.panes.prompt.text == EVIL
        assert bench.generator.requests[0].prompt == EVIL


async def test_in_an_error(bench: AppHarness) -> None:
    async with running(bench):
        bench.generator.failure = GenerationError(EVIL, EVIL, stage="decode")
        await bench.generate()
        await bench.finished()
        await bench.until(lambda: MARKUP in drawn(bench))
        assert is_harmless(bench)
        await bench.press("f12")
        assert is_harmless(bench)
        assert MARKUP in drawn(bench)


async def test_in_what_is_pasted_into_a_line(bench: AppHarness) -> None:
    async with running(bench):
        main = bench.app.main
        main.panes.parameters.fill({"init_image": EVIL, "model": EVIL})
        main.panes.history.search.value = EVIL
        await bench.settled()
        assert is_harmless(bench)
        await bench.press("ctrl+l")
        await bench.press(*"some")
        bench.app.push_screen(AskScreen(EVIL, EVIL))
        await bench.settled()
        assert is_harmless(bench)
        bench.app.push_screen(ConfirmScreen("Go on?", "?", "yes", "no"))
        bench.app.notify(EVIL)
        main.notify(EVIL, title="x")
        await bench.settled()
        assert is_harmless(bench)


async def test_in_a_foreign_picture(bench: AppHarness, tmp_path: Path) -> None:
    info = PngInfo()
    told = f"{EVIL}\nNegative prompt: {EVIL}\nSteps: 5, Sampler: Euler, CFG scale: 7, Seed: 3, "
    info.add_text("parameters", told + "Size: 64x64, Model: \x1b[31m[/b]")
    file = tmp_path / "foreign.png"
    Image.new("RGB", (64, 64)).save(file, pnginfo=info)
    bench.history.import_([file])
    async with running(bench):
        main = bench.app.main
        await bench.press("f4")
        await bench.until(lambda: main.panes.history.list.selected)
        await bench.until(lambda: "evil" in drawn(bench))
        assert is_harmless(bench)
        await bench.press("r")
        await bench.until(lambda: MARKUP in main.panes.prompt.text)
        await bench.settled()
        assert is_harmless(bench)


async def test_in_tags_and_comparisons(bench: AppHarness) -> None:
    for seed in (1, 2):
        saved = bench.history.save(picture(), record(f"{EVIL} {seed}", seed=seed), 0)
        bench.history.tag(saved.path, "[/b]")
    async with running(bench):
        main = bench.app.main
        await bench.press("f4")
        await bench.until(
            lambda: main.panes.history.list.has_focus and main.panes.history.list.count
        )
        await bench.press("t")
        await bench.until(lambda: isinstance(bench.app.screen, AskScreen))
        await bench.settled()
        assert "now: [/b]" in drawn(bench)
        await bench.press("escape", "c", "j", "c")
        await bench.until(lambda: isinstance(bench.app.screen, CompareScreen))
        await bench.until(lambda: MARKUP in drawn(bench))
        assert is_harmless(bench)


async def test_in_the_names_of_files(bench: AppHarness, tmp_path: Path) -> None:
    (tmp_path / "a \x1b[2J [b].png").touch()
    async with running(bench):
        main = bench.app.main
        main.panes.parameters.fill({"init_image": str(tmp_path / "x.png")})
        main.panes.parameters.fields["init_image"].focus()
        await bench.press("enter")
        await bench.until(lambda: not bench.at_main)
        await bench.settled()
        assert is_harmless(bench)
        assert "[b].png" in drawn(bench)
