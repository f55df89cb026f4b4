"""Pictures of the app, made by one command: `python -m tests.tui.screenshots [--scripted]`.

The app runs as it is, but without a terminal: it generates with the pocket model, and the window
is drawn as PNG at each size into screenshots/. `--scripted` takes the tests' generator instead.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

os.environ["TEXTUAL_COLOR_SYSTEM"] = "truecolor"  # read when Textual is imported

from PIL import Image

from sdtui.requests.training.request import TrainingRequest
from sdtui.tui.messages import Sampled
from sdtui.tui.screens.compare import CompareScreen
from sdtui.tui.screens.mask import MaskScreen
from sdtui.tui.screens.training import TrainingScreen
from tests.benchmarks.train_object import write_pictures
from tests.support.app_harness import AppHarness, running
from tests.support.draw_screen import draw_screen
from tests.support.terminal import ROOT

SIZES = ((80, 24), (100, 30), (120, 36), (200, 60))
PROMPTS = (
    "a large red apple",
    "a pizza, green background",
    "a small yellow star",
    "a tiger on a blue background",
)


class RealAppHarness(AppHarness):
    """With the engine itself."""

    def make_generator(self) -> Any:
        from sdtui.jobs.generator import make_generator

        return make_generator(self.settings)


async def _pictures(harness: AppHarness, prompt: str, seed: int, count: int) -> None:
    done = len(list(harness.settings.pictures.rglob("*.png")))
    await harness.generate(prompt, seed=str(seed), num_images_per_prompt=str(count))
    await harness.until(
        lambda: len(list(harness.settings.pictures.rglob("*.png"))) >= done + count, seconds=300
    )
    await harness.until(lambda: not harness.progress.is_running)


async def _shoot(harness: AppHarness, name: str) -> None:
    main = harness.app.main
    for _ in range(40):
        main.post_message(Sampled(harness.app.backend.hardware.sample()))
    await harness.pilot.pause(0.6)
    columns, rows = main.size
    folder = ROOT / "screenshots"
    folder.mkdir(exist_ok=True)
    picture = draw_screen(harness.screen_strips()).quantize(dither=Image.Dither.NONE)
    picture.save(folder / f"{name}-{columns}x{rows}.png", optimize=True)


async def _gallery(harness: AppHarness) -> None:
    await harness.press("escape", "tab", "left", "left", "s")


async def _recipe(harness: AppHarness) -> None:
    await harness.press("2")


async def _keys(harness: AppHarness) -> None:
    await harness.press("1", "question_mark")


async def _compare(harness: AppHarness) -> None:
    """Make the picture again with another CFG scale, after which compare opens by itself."""
    await harness.press("escape", "v", "c", "8", "enter")
    await harness.until(lambda: isinstance(harness.app.screen, CompareScreen))


async def _mask(harness: AppHarness) -> None:
    """Draw a mask over the face of the tiger."""
    await harness.press("escape", "escape", "tab", "m")
    await harness.until(lambda: isinstance(harness.app.screen, MaskScreen))
    await harness.press("K", "right_square_bracket", "right_square_bracket", "space", "L", "L")
    await harness.press("J", "space", "b", "H")


async def _training(harness: AppHarness) -> None:
    """Let the pocket model learn an object, the first time, and look at its second checkpoint."""
    trainings = harness.app.backend.trainings
    if not await asyncio.to_thread(trainings.all):
        pictures = Path(tempfile.mkdtemp()) / "zorbs"
        write_pictures(pictures)
        request = TrainingRequest.parse(
            {
                "instance_data_dir": pictures,
                "output_dir": pictures.parent,
                "output_name": "zorb",
                "max_train_steps": 400,
                "learning_rate": 0.002,
                "validation_prompts": ("a zorb", "a zorb, green background", "a horse"),
                "validation_steps": 100,
                "checkpointing_steps": 100,
            }
        )
        await asyncio.to_thread(trainings.start, request)
        await harness.until(lambda: trainings.all()[0].lora, seconds=1800)
    await harness.press("escape", "escape", "alt+t", "tab", "down", "down")
    screen = harness.app.screen
    assert isinstance(screen, TrainingScreen)
    await harness.until(lambda: screen.samples.chosen and screen.plot.curve)
    await harness.pilot.pause(1)


VIEWS: tuple[tuple[str, Callable[[AppHarness], Awaitable[None]]], ...] = (
    ("gallery", _gallery),
    ("recipe", _recipe),
    ("keys", _keys),
    ("compare", _compare),
    ("mask", _mask),
    ("training", _training),
)


async def _all(scripted: bool) -> None:
    folder = Path(tempfile.mkdtemp())
    for kind in ("CONFIG", "STATE", "CACHE"):
        os.environ[f"XDG_{kind}_HOME"] = str(folder / kind.lower())
    for size in SIZES:
        harness = (AppHarness if scripted else RealAppHarness)(folder)
        async with running(harness, size):
            if size == SIZES[0]:
                await _shoot(harness, "welcome")
                for seed, prompt in enumerate(PROMPTS[:-1], 40):
                    await _pictures(harness, prompt, seed, 2)
            await _pictures(harness, PROMPTS[-1], 42, 8)
            for name, go in VIEWS:
                await go(harness)
                await _shoot(harness, name)
            await harness.pilot.press("escape")


if __name__ == "__main__":
    asyncio.run(_all("--scripted" in sys.argv))
