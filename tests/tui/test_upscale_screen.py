"""Asking how pictures are upscaled."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from sdtui.models import InstalledUpscaler
from sdtui.tui.screens.upscale import UpscaleScreen
from sdtui.tui.themed_app import ThemedApp
from sdtui.tui.widgets.status_line import StatusLine
from tests.support.app_harness import AppHarness, running
from tests.support.keyboard import press, settled
from tests.support.records import picture, record

_UPSCALERS = [
    *map(InstalledUpscaler, ("None", "Lanczos", "Nearest")),
    InstalledUpscaler("4x-UltraSharp", scale=4),
]


class _App(ThemedApp):
    def __init__(self, size: tuple[int, int] | None) -> None:
        super().__init__()
        self.picture_size = size
        self.answers: list[dict[str, Any] | None] = []

    def on_mount(self) -> None:
        screen = UpscaleScreen("a.png", _UPSCALERS, self.picture_size, "Lanczos")
        self.push_screen(screen, self.answers.append)

    @property
    def status(self) -> str:
        return str(self.screen.query_one(StatusLine).render())


@asynccontextmanager
async def _asking(size: tuple[int, int] | None = (100, 200)) -> AsyncIterator[_App]:
    app = _App(size)
    async with app.run_test(size=(80, 24)):
        await settled(app)
        yield app


@pytest.mark.parametrize(
    ("typed", "status", "values"),
    [
        ("", "100×200 → 200×400 with Lanczos", {"upscaler": "Lanczos", "upscale_factor": 2}),
        ("1,5", "100×200 → 150×300 with Lanczos", {"upscaler": "Lanczos", "upscale_factor": 1.5}),
        ("3", "100×200 → 300×600 with Lanczos", {"upscaler": "Lanczos", "upscale_factor": 3}),
        (
            "ultra",
            "100×200 → 400×800 with 4x-UltraSharp",
            {"upscaler": "4x-UltraSharp", "upscale_factor": 4},
        ),
        (
            "2x ultra",
            "100×200 → 200×400 with 4x-UltraSharp",
            {"upscaler": "4x-UltraSharp", "upscale_factor": 2},
        ),
        (
            "640x480 near",
            "100×200 → 640×480 with Nearest",
            {"upscaler": "Nearest", "upscale_width": 640, "upscale_height": 480},
        ),
    ],
)
async def test_numbers_and_a_part_of_a_name_say_what_is_made(
    typed: str, status: str, values: dict[str, Any]
) -> None:
    async with _asking() as app:
        await press(app, *typed)
        assert app.status == status
        await press(app, "enter")
        assert app.answers == [values]


@pytest.mark.parametrize(
    ("typed", "words"), [("9", "Upscale by must be at most 8"), ("2 3", "2 factors were typed")]
)
async def test_wrong_factor_is_explained_and_not_taken(typed: str, words: str) -> None:
    async with _asking() as app:
        await press(app, *typed, "enter")
        assert words in app.status
        assert not app.answers


async def test_picture_that_would_be_too_large_is_not_taken() -> None:
    async with _asking((4000, 100)) as app:
        await press(app, "8", "enter")
        assert "32000×800" in app.status
        assert not app.answers


async def test_several_pictures_have_no_size() -> None:
    async with _asking(None) as app:
        assert app.status == "⏎ upscale by 2 with Lanczos"


async def test_key_queues_an_upscaled_picture(
    harness: AppHarness,
) -> None:
    harness.history.save(picture(), record("a tiger"), 0)
    async with running(harness):
        await harness.until(lambda: harness.panes.stage.picture)
        harness.panes.stage.focus()
        await harness.settled()
        await harness.press("U")
        await harness.until(lambda: isinstance(harness.app.screen, UpscaleScreen))
        await harness.press("3", "enter")
        await harness.until(lambda: harness.generator.requests)
        (request,) = harness.generator.requests
        assert request.upscale.factor == 3
        assert request.upscale.image is not None
        harness.app.main.window.show_tab("queue")
        await harness.until(lambda: "upscale" in harness.screen_text())
