"""An animated picture of the app for the README: `python -m tests.tui.recording [FILE.gif]`.

The app runs as it is, with the pocket model and without a terminal; a script presses the keys, and
each screen that differs from the one before becomes a frame.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from pathlib import Path

os.environ["TEXTUAL_COLOR_SYSTEM"] = "truecolor"  # read when Textual is imported

from PIL import Image

from tests.support.app_harness import AppHarness, running
from tests.support.draw_screen import draw_screen
from tests.support.terminal import ROOT
from tests.tui.screenshots import RealAppHarness

SIZE = (100, 30)
_COLOURS = 128
"""Of a frame; with 256 the file would be half as large again."""
_LETTER, _KEY, _STEP, _PAUSE = 60, 900, 250, 2500
"""Milliseconds that a frame is shown after a letter, after a key, while a picture forms, and after
an important change."""


class Recorder:
    """Presses keys and collects frames."""

    def __init__(self, harness: AppHarness) -> None:
        self._harness = harness
        self.frames: list[Image.Image] = []
        self.milliseconds: list[int] = []

    def shoot(self, milliseconds: int) -> None:
        """Add a frame, or show the last one longer if nothing changed."""
        frame = draw_screen(self._harness.screen_strips())
        frame = frame.quantize(_COLOURS, dither=Image.Dither.NONE)
        if self.frames and frame.tobytes() == self.frames[-1].tobytes():
            self.milliseconds[-1] = max(self.milliseconds[-1], milliseconds)
        else:
            self.frames.append(frame)
            self.milliseconds.append(milliseconds)

    async def write(self, text: str) -> None:
        """Type a text."""
        for letter in text:
            await self._harness.press(letter)
            self.shoot(_LETTER)

    async def press(self, *keys: str, milliseconds: int = _KEY) -> None:
        """Press keys, each with time to see what it does."""
        for key in keys:
            await self._harness.press(key)
            await asyncio.sleep(0.4)
            await self._harness.settled()
            self.shoot(milliseconds)

    async def finished(self, pictures: int) -> None:
        """Record until so many pictures are saved and the job is over."""
        folder = self._harness.settings.pictures
        while len(list(folder.rglob("*.png"))) < pictures or self._harness.progress.is_running:
            await asyncio.sleep(0.5)
            await self._harness.settled()
            self.shoot(_STEP)
        await asyncio.sleep(1)
        await self._harness.settled()
        self.shoot(_PAUSE)


async def play(recorder: Recorder) -> None:
    """Make eight pictures, choose one, repaint a part of it, and make the result larger."""
    await recorder.write("a red apple on a blue background")
    await recorder.press("ctrl+o", "n")
    await recorder.write("8")
    await recorder.press("enter")
    await recorder.finished(8)
    await recorder.press("tab", "right", "right", "s")
    await recorder.press("m")
    await recorder.press("r", *"KKKHHH", "space", milliseconds=_STEP)
    await recorder.press(*"LLLLLLJJJJJJ", milliseconds=_STEP)
    await recorder.press("space")
    await recorder.press("enter", "alt+a")
    await recorder.write("a strawberry on a blue background")
    await recorder.press("ctrl+o", "n")
    await recorder.write("1")
    await recorder.press("enter")
    await recorder.finished(9)
    await recorder.press("tab", "H", milliseconds=_PAUSE)
    await recorder.press("enter")
    await recorder.finished(10)


async def record(file: Path) -> None:
    """Play the script and write the animation."""
    folder = Path(tempfile.mkdtemp())
    for kind in ("CONFIG", "STATE", "CACHE"):
        os.environ[f"XDG_{kind}_HOME"] = str(folder / kind.lower())
    harness = RealAppHarness(folder)
    async with running(harness, SIZE):
        recorder = Recorder(harness)
        recorder.shoot(_KEY)
        await play(recorder)
    first, *others = recorder.frames
    first.save(file, save_all=True, append_images=others, duration=recorder.milliseconds, loop=0)


if __name__ == "__main__":
    asyncio.run(record(Path(sys.argv[1]) if sys.argv[1:] else ROOT / "screenshots" / "sdtui.gif"))
