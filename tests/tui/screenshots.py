"""Pictures of the app, made by one command: `python -m tests.tui.screenshots [--scripted]`.

The app runs as it is, but without a terminal: it generates with the pocket model, and the window
is written as SVG at each size into screenshots/. `--scripted` takes the tests' generator instead.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

os.environ["TEXTUAL_COLOR_SYSTEM"] = "truecolor"  # read when Textual is imported

from sdtui.tui.messages import Sampled
from tests.support.app_harness import AppHarness, running
from tests.support.terminal import ROOT

SIZES = ((80, 24), (100, 30), (120, 36), (200, 60))
PROMPTS = (
    "a large red apple",
    "a pizza, green background",
    "a small yellow star",
    "a tiger on a blue background",
)


class RealBench(AppHarness):
    """With the engine itself."""

    def make_generator(self) -> Any:
        from sdtui.jobs.generator import make_generator

        return make_generator(self.settings)


async def _picture(bench: AppHarness, prompt: str, seed: int) -> None:
    done = len(list(bench.settings.pictures.rglob("*.png")))
    await bench.generate(prompt, seed=str(seed))
    await bench.until(lambda: len(list(bench.settings.pictures.rglob("*.png"))) > done, seconds=300)
    await bench.until(lambda: not bench.app.main.queue.presenter.progress.is_running)


async def _shoot(bench: AppHarness, name: str) -> None:
    main = bench.app.main
    for _ in range(40):
        main.post_message(Sampled(bench.app.services.monitor.sample()))
    await bench.pilot.pause(0.6)
    columns, rows = main.size
    folder = ROOT / "screenshots"
    folder.mkdir(exist_ok=True)
    svg = bench.app.export_screenshot(title="sdtui")
    # No path of this machine in the pictures: one as people have them, of the same length.
    svg = re.sub(r"/tmp/tmp\w{8}", "~/Pictures/sdtui", svg)
    (folder / f"{name}-{columns}x{rows}.svg").write_text(svg, encoding="utf-8")


async def _history(bench: AppHarness) -> None:
    await bench.pilot.press("f4")
    await bench.until(lambda: bench.app.main.panes.history.list.has_focus)
    await bench.pilot.press("j")


async def _queue(bench: AppHarness) -> None:
    await bench.pilot.press("f3")


async def _help(bench: AppHarness) -> None:
    await bench.pilot.press("f2", "f1")


async def _jump(bench: AppHarness) -> None:
    await bench.pilot.press("escape", "ctrl+o")


VIEWS: tuple[tuple[str, Callable[[AppHarness], Awaitable[None]]], ...] = (
    ("history", _history),
    ("queue", _queue),
    ("help", _help),
    ("jump", _jump),
)


async def _all(scripted: bool) -> None:
    folder = Path(tempfile.mkdtemp())
    for kind in ("CONFIG", "STATE", "CACHE"):
        os.environ[f"XDG_{kind}_HOME"] = str(folder / kind.lower())
    for size in SIZES:
        bench = (AppHarness if scripted else RealBench)(folder)
        async with running(bench, size):
            if size == SIZES[0]:
                await _shoot(bench, "welcome")
                for seed, prompt in enumerate(PROMPTS[:-1], 40):
                    await _picture(bench, prompt, seed)
            await _picture(bench, PROMPTS[-1], 42)
            await _shoot(bench, "create")
            for name, go in VIEWS:
                await go(bench)
                await _shoot(bench, name)
            await bench.pilot.press("escape")


if __name__ == "__main__":
    asyncio.run(_all("--scripted" in sys.argv))
