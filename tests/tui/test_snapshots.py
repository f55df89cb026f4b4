"""The text of the main states of the window, compared with files in `snapshots/`.

`RENEW_SNAPSHOTS=1 python -m pytest tests/tui/test_snapshots.py` writes them anew."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from sdtui.tui.images.pixel_view import PixelView
from sdtui.tui.screens.compare import CompareScreen
from sdtui.tui.screens.mask import MaskScreen
from tests.support.app_harness import AppHarness, running

FOLDER = Path(__file__).parent / "snapshots"
SIZES = ((80, 24), (120, 36))
_SECONDS = re.compile(r"\b\d+(?:\.\d+)? s\b *")
_TIMES = (
    (re.compile(r"\d{4}-\d\d-\d\d"), "2026-01-01"),
    (re.compile(r"\d\d:\d\d:\d\d"), "12:00:00"),
    (re.compile(r"\b\d{6}-"), "120000-"),
)
_WAIT_SECONDS = 20.0


async def welcome(app: AppHarness) -> None:
    """The first start, without pictures."""


async def eight_pictures(app: AppHarness) -> None:
    await app.generate("a tiger on a blue background", seed="7", num_images_per_prompt="8")
    await app.finished()
    await app.until(lambda: app.panes.gallery.total == 8)


async def gallery(app: AppHarness) -> None:
    """Eight pictures were made, and the third one has the cursor."""
    await eight_pictures(app)
    app.panes.gallery.grid.focus()
    await app.settled()
    await app.press("right", "right")


async def wrong_value(app: AppHarness) -> None:
    """The recipe's form, with a value that can't be."""
    app.fill_form("a cat", num_inference_steps="5000")
    app.app.main.window.show_tab("recipe")


async def running_queue(app: AppHarness) -> None:
    """One job is running, and two wait."""
    app.generator.hold.set()
    for prompt in ("a cat", "a dog", "a cow"):
        await app.generate(prompt, seed="7")
        await app.settled()
    await app.until(lambda: app.progress.is_running)
    app.app.main.window.show_tab("queue")


async def info(app: AppHarness) -> None:
    await eight_pictures(app)
    app.app.main.window.show_tab("info")


async def compare(app: AppHarness) -> None:
    await gallery(app)
    await app.press("c", "right", "c")
    await app.until(lambda: isinstance(app.app.screen, CompareScreen))
    await app.until(lambda: all(view.pixels for view in app.app.screen.query(PixelView)[:2]))


async def mask(app: AppHarness) -> None:
    """A mask that is drawn over the third picture."""
    await gallery(app)
    await app.press("m")
    await app.until(lambda: isinstance(app.app.screen, MaskScreen))
    await app.press("space", "L", "J", "space", "l")


async def which_key(app: AppHarness) -> None:
    """The keys after ^o."""
    await app.press("ctrl+o")


STATES = (welcome, gallery, wrong_value, running_queue, info, compare, mask, which_key)


def shown(app: AppHarness) -> str:
    """Return the text on the screen without what differs from run to run."""
    text = app.screen_text()
    for pattern, fixed in _TIMES:
        text = pattern.sub(fixed, text)
    text = _SECONDS.sub(lambda found: "1 s".ljust(len(found[0])), text)
    lines = [line.rstrip() for line in text.splitlines()]
    return "\n".join(_without_path(lines)) + "\n"


def _without_path(lines: list[str]) -> list[str]:
    """Return the lines without the path of a file, which is folded at the end of the info."""
    start = next((place for place, line in enumerate(lines) if "  File  " in line), len(lines))
    column = lines[start].index("File  ") + 6 if start < len(lines) else 0
    is_path = [
        place >= start
        and line.startswith("▀")
        and line[column - 6 : column].strip() in ("", "File")
        for place, line in enumerate(lines)
    ]
    return [
        line[:column].rstrip() if hidden else line
        for line, hidden in zip(lines, is_path, strict=True)
    ]


async def written(app: AppHarness) -> str:
    """Return the text on the screen once it stays the same."""
    text = ""
    while text != (text := shown(app)):
        await asyncio.sleep(0.5)
        await app.settled()
    return text


@pytest.mark.parametrize("size", SIZES, ids=lambda size: "x".join(map(str, size)))
@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
async def test_screen_is_as_in_the_snapshot(
    state: Callable[[AppHarness], Awaitable[None]],
    size: tuple[int, int],
    own_folders: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    app = AppHarness(Path("home"))
    file = FOLDER / f"{state.__name__}-{size[0]}x{size[1]}.txt"
    async with running(app, size):
        await state(app)
        if os.environ.get("RENEW_SNAPSHOTS"):
            file.write_text(await written(app))
        expected = file.read_text()
        for _ in range(int(_WAIT_SECONDS / 0.1)):
            if (text := shown(app)) == expected:
                break
            await asyncio.sleep(0.1)
            await app.settled()
        app.generator.hold.clear()
    assert text == expected
