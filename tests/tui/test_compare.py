"""Comparing two pictures: side by side, in turns, divided, and by their difference."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from sdtui.history import Entry
from sdtui.requests.record import GenerationRecord
from sdtui.tui.images.loader import PictureLoader
from sdtui.tui.images.pixel_view import PixelView
from sdtui.tui.images.view import PictureView
from sdtui.tui.images.zoom_view import ZoomView
from sdtui.tui.screens.compare import Compared, CompareScreen
from sdtui.tui.themed_app import ThemedApp
from tests.support.fakes import FakeBackend
from tests.support.keyboard import press, settled
from tests.support.records import NOON, record

RED, BLUE = (252, 0, 0), (0, 0, 252)
"""As they are drawn: without the lowest bits."""


class CompareApp(ThemedApp):
    """Compares a red picture with a blue one."""

    def __init__(
        self, folder: Path, sizes: tuple[tuple[int, int], tuple[int, int]], first: str
    ) -> None:
        super().__init__()
        loader = PictureLoader(lambda: FakeBackend().pictures)
        made = (record("a red cat", seed=1), record("a blue cat", seed=2))
        self.compare = CompareScreen(
            _compared(folder / first, "red", sizes[0], made[0]),
            _compared(folder / "b.png", "blue", sizes[1], made[1]),
            new_view=lambda: ZoomView(PictureView(loader)),
            loader=loader,
            perform=self._perform,
        )
        self.performed: list[tuple[str, str]] = []
        self.closed: list[object] = []

    def on_mount(self) -> None:
        self.push_screen(self.compare, self.closed.append)

    async def _perform(self, verb: str, entry: Entry) -> Entry | None:
        self.performed.append((verb, entry.path.name))
        return None if verb == "trash" else replace(entry, starred=verb == "star")

    async def drawn(self) -> None:
        """Wait until all visible pictures are drawn."""
        for _ in range(2000):
            await settled(self)
            views = self.compare.zoom_views()
            if all(view.image and view.query_one(PixelView).pixels for view in views):
                await asyncio.sleep(0.15)
                await settled(self)
                return
            await asyncio.sleep(0.005)
        pytest.fail("waited too long")

    @property
    def mode(self) -> str:
        return str(self.compare.mode)

    @property
    def text(self) -> str:
        return "\n".join(strip.text for strip in self.compare._compositor.render_strips())

    def colours(self) -> list[list[tuple[int, int, int]]]:
        """The colours of the first line of pixels in each visible view, without repetitions."""
        found = []
        for view in self.compare.zoom_views():
            pixels = view.query_one(PixelView).pixels
            assert pixels is not None
            line = [
                tuple(each & 0xFC for each in pixels.rgb[start : start + 3])
                for start in range(0, pixels.width * 3, 3)
            ]
            found.append(list(dict.fromkeys(line)))
        return found  # type: ignore[return-value]


def _compared(path: Path, colour: str, size: tuple[int, int], made: GenerationRecord) -> Compared:
    Image.new("RGB", size, colour).save(path)
    entry = Entry(
        id=made.seed or 0,
        path=path,
        time=NOON,
        prompt=made.prompt,
        negative_prompt="",
        model="pocket",
        sampler="Euler",
        seed=made.seed,
        width=size[0],
        height=size[1],
        steps=20,
        guidance=5,
        starred=False,
        tags=(),
        problem="",
    )
    return Compared(entry, made)


@asynccontextmanager
async def comparing(
    folder: Path,
    sizes: tuple[tuple[int, int], tuple[int, int]] = ((128, 128), (128, 128)),
    window: tuple[int, int] = (120, 36),
    first: str = "a.png",
) -> AsyncIterator[CompareApp]:
    app = CompareApp(folder, sizes, first)
    async with app.run_test(size=window):
        await app.drawn()
        yield app


@pytest.mark.parametrize("window", [(80, 24), (119, 36), (120, 36), (200, 60)])
async def test_both_pictures_have_the_same_size(tmp_path: Path, window: tuple[int, int]) -> None:
    async with comparing(tmp_path, window=window) as app:
        first, second = (view.query_one(PixelView) for view in app.compare.zoom_views())
        assert first.size == second.size
        assert first.pixels is not None
        assert second.pixels is not None
        assert first.pixels.width == second.pixels.width
        assert app.colours() == [[RED], [BLUE]]


async def test_names_stand_under_the_pictures_and_the_chosen_side_is_marked(
    tmp_path: Path,
) -> None:
    async with comparing(tmp_path) as app:
        assert " A  a.png" in app.text
        assert "▸B  b.png" in app.text
        await press(app, "1")
        assert "▸A  a.png" in app.text
        assert " B  b.png" in app.text


async def test_a_long_name_is_cut(tmp_path: Path) -> None:
    async with comparing(tmp_path, window=(60, 20), first=f"{'long ' * 20}.png") as app:
        (line,) = (line for line in app.text.splitlines() if "A  long" in line)
        assert "…" in line
        assert "▸B  b.png" in line


async def test_fields_that_differ_are_listed_with_the_labels_of_the_form(tmp_path: Path) -> None:
    async with comparing(tmp_path) as app:
        lines = [" ".join(line.split()) for line in app.text.splitlines()]
        assert "Prompt a red cat a blue cat" in lines
        assert "Seed 1 2" in lines
        assert not any(line.startswith("Steps") for line in lines)


async def test_space_shows_one_in_the_place_of_the_other(tmp_path: Path) -> None:
    async with comparing(tmp_path) as app:
        await press(app, "space")
        await app.drawn()
        assert app.mode == "one at a time"
        assert app.colours() == [[BLUE]]
        await press(app, "space")
        await app.drawn()
        assert app.colours() == [[RED]]
        assert "▸A" in app.text
        await press(app, "m")
        assert app.mode == "side by side"


async def test_divider_is_moved_by_arrows_and_mouse(tmp_path: Path) -> None:
    async with comparing(tmp_path) as app:
        await press(app, "tab")
        await app.drawn()
        assert app.mode == "divider"
        (line,) = app.colours()
        assert line[0] == RED
        assert line[-1] == BLUE
        (view,) = app.compare.zoom_views()
        view.post_message(ZoomView.Dragged(0.5, 0.0, (1.0, 0.5)))
        await app.drawn()
        assert BLUE not in app.colours()[0]
        await press(app, *["left"] * 20)
        await app.drawn()
        assert RED not in app.colours()[0]


async def test_difference_says_its_figures(tmp_path: Path) -> None:
    async with comparing(tmp_path) as app:
        await press(app, "m", "m")
        await app.drawn()
        assert app.mode == "difference"
        assert "mean 170.0, largest 255 of 255 · ×1" in app.text
        await press(app, "m")
        assert app.mode == "side by side"


async def test_both_are_magnified_and_moved_together(tmp_path: Path) -> None:
    async with comparing(tmp_path) as app:
        await press(app, "plus", "plus", "right")
        first, second = app.compare.zoom_views()
        assert first.zoom == second.zoom == app.compare.zoom
        assert first.zoom.x > 0.5
        await press(app, "space")
        assert app.compare.zoom_views()[0].zoom == first.zoom


async def test_different_sizes_come_to_the_same_size_and_it_is_said(tmp_path: Path) -> None:
    async with comparing(tmp_path, ((128, 128), (64, 32))) as app:
        assert "A 128×128 and B 64×32 in the same size" in app.text
        first, second = app.compare.zoom_views()
        assert first.image is not None
        assert second.image is not None
        assert first.image.size == second.image.size


async def test_verbs_mean_the_chosen_side(tmp_path: Path) -> None:
    async with comparing(tmp_path) as app:
        await press(app, "s")
        assert "▸B  ★ b.png" in app.text
        await press(app, "1", "i")
        assert app.performed == [("star", "b.png"), ("start_from", "a.png")]
        assert app.closed == [None]


async def test_comparison_ends_when_a_side_is_gone(tmp_path: Path) -> None:
    async with comparing(tmp_path) as app:
        await press(app, "d")
        assert app.performed == [("trash", "b.png")]
        assert app.closed == [None]
