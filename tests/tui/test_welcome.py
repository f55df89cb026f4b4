"""The first start says what to do; the second shows the last picture."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from sdtui.core.enums import POCKET
from sdtui.tui.images.welcome import EXAMPLE, welcome
from tests.support.app_harness import AppHarness, running

KEYS = {"window.generate": "⏎", "window.jump": "^o", "window.models": "alt+m", "app.help": "f1"}
LARGE = ("stable-diffusion-v1-5/stable-diffusion-v1-5", "512 pixels; 3.4 of 23.5 GiB; seconds")
SMALLEST = (32, 17)
"""Columns and rows of the stage in a window of 80×24."""


def test_welcome_fits_the_smallest_stage_and_says_what_to_press() -> None:
    text = welcome(POCKET, KEYS, LARGE)
    lines = text.wrap(Console(width=SMALLEST[0]), SMALLEST[0])
    assert len(lines) <= SMALLEST[1]
    for expected in (
        EXAMPLE,
        "⏎  make",
        "^o  size",
        "^o m  a larger model",
        "^o ?  the keys",
        LARGE[0],
    ):
        assert expected in text.plain


def test_welcome_shows_other_keys_where_there_is_none_to_go_to_places() -> None:
    text = welcome(POCKET, {**KEYS, "window.jump": ""}, LARGE).plain
    assert "alt+m  a larger model" in text
    assert "f1  the keys" in text


def test_welcome_leaves_out_keys_that_do_nothing() -> None:
    assert "larger model" not in welcome("sdxl", {"window.generate": "⏎"}, None).plain


async def test_second_start_shows_the_last_picture(tmp_path: Path) -> None:
    first = AppHarness(tmp_path)
    async with running(first):
        assert first.panes.stage.is_welcoming
        await first.generate()
        await first.finished()
    (picture,) = (tmp_path / "pictures").rglob("*.png")
    second = AppHarness(tmp_path)
    async with running(second):
        await second.until(lambda: second.panes.stage.picture is not None)
        assert not second.panes.stage.is_welcoming
        assert second.panes.stage.picture is not None
        assert second.panes.stage.picture.path == picture
