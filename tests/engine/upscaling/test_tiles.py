"""Dividing pictures into tiles, and joining these."""

from __future__ import annotations

import numpy as np
import pytest

from sdtui.engine.upscaling.tiles import OVERLAP, Tile, blend, overlap_of, split, tiles_of


def _covered(tiles: list[Tile], whole: Tile) -> bool:
    seen = np.zeros((whole.height, whole.width), bool)
    for tile in tiles:
        seen[tile.top : tile.bottom, tile.left : tile.right] = True
    return bool(seen.all())


@pytest.mark.parametrize("size", [(512, 512), (513, 511), (1, 1000), (200, 64), (1920, 1080)])
@pytest.mark.parametrize("side", [64, 256, 512])
def test_tiles_cover_the_picture_and_are_at_most_as_large_as_wanted(
    size: tuple[int, int], side: int
) -> None:
    whole = Tile(0, 0, *size)
    tiles = tiles_of(whole, side, 8)
    assert _covered(tiles, whole)
    assert all(each.width <= side and each.height <= side for each in tiles)
    assert len({(each.width, each.height) for each in tiles}) == 1
    assert len(set(tiles)) == len(tiles)


def test_small_picture_is_one_tile() -> None:
    assert tiles_of(Tile(0, 0, 200, 100), 256) == [Tile(0, 0, 200, 100)]


def test_neighbouring_tiles_overlap() -> None:
    first, second, *_ = tiles_of(Tile(0, 0, 1000, 10), 256, 8)
    assert first.right - second.left >= OVERLAP
    assert first.width % 8 == 0


def test_halved_tiles_cover_what_the_larger_ones_did() -> None:
    whole = Tile(0, 0, 500, 300)
    halved = split(tiles_of(whole, 256, 8), 128, 8)
    assert _covered(halved, whole)
    assert all(each.width <= 128 and each.height <= 128 for each in halved)


def test_tiles_of_one_picture_blend_to_it_exactly() -> None:
    picture = np.random.default_rng(1).integers(0, 256, (300, 500, 3)).astype(np.uint8)
    canvas = np.zeros_like(picture)
    for tile in tiles_of(Tile(0, 0, 500, 300), 128):
        part = picture[tile.top : tile.bottom, tile.left : tile.right].astype(np.float32)
        blend(canvas, part, tile.left, tile.top, overlap_of(128))
    assert np.array_equal(canvas, picture)


def test_nothing_of_the_canvas_is_left_below_a_tile() -> None:
    halves = np.arange(64, dtype=np.float32) + 0.5
    rows = [np.nextafter(halves, towards, dtype=np.float32) for towards in (0, 255)]
    part = np.repeat(np.stack(rows)[..., None], 3, axis=2)  # a hair decides how they are rounded
    canvases = [np.full((2, 64, 3), value, np.uint8) for value in (0, 113, 255)]
    for canvas in canvases:
        blend(canvas, part, 0, 0, 32)
    assert all(np.array_equal(canvas, np.rint(part).astype(np.uint8)) for canvas in canvases)


def test_tiles_of_different_brightness_meet_in_a_ramp() -> None:
    canvas = np.zeros((8, 96, 1), np.uint8)
    blend(canvas, np.full((8, 64, 1), 100, np.float32), 0, 0, 32)
    blend(canvas, np.full((8, 64, 1), 200, np.float32), 32, 0, 32)
    row = canvas[4, :, 0].astype(int)
    assert row[:40].tolist() == [100] * 40
    assert row[56:].tolist() == [200] * 40
    assert all(0 <= step <= 7 for step in np.diff(row))
