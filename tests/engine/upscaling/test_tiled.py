"""Running a model tile by tile, also when memory runs out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from sdtui.engine.device import Device
from sdtui.engine.upscaling.tiled import TiledUpscaling
from sdtui.engine.upscaling.upscaler import UpscalingContext

_PICTURE = np.random.default_rng(1).integers(0, 256, (200, 300, 3)).astype(np.uint8)


class _Doubling:
    """Doubles every pixel; runs out of memory for tiles that are larger than `most` pixels."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.areas: list[int] = []

    def __call__(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        height, width = pixels.shape[:2]
        if height * width > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        self.areas.append(height * width)
        return pixels.repeat(2, 0).repeat(2, 1).astype(np.float32)


def _tiled(model: _Doubling, notices: list[str], *, can_split: bool = True) -> TiledUpscaling:
    context = UpscalingContext(Device(torch.device("cpu")), notice=notices.append)
    return TiledUpscaling(model, 2, 256, 8, can_split, context)


def test_tiles_are_halved_when_memory_runs_out_and_the_picture_is_the_same() -> None:
    notices: list[str] = []
    model = _Doubling(128 * 128)
    result = _tiled(model, notices).run(_PICTURE)
    assert np.array_equal(result, _PICTURE.repeat(2, 0).repeat(2, 1))
    assert notices == ["memory ran out: upscaling in tiles of 96 px"]


def test_finished_tiles_are_kept_when_a_later_one_fails() -> None:
    notices: list[str] = []
    model = _Doubling(10**6)
    tiled = _tiled(model, notices)
    tiled.side = 128
    total: list[int] = []

    def on_tile(done: int, of: int) -> None:
        total.append(of)
        if done == 3:
            model.most = 64 * 64

    context = UpscalingContext(Device(torch.device("cpu")), on_tile=on_tile, notice=notices.append)
    tiled.context = context
    result = tiled.run(_PICTURE)
    assert np.array_equal(result, _PICTURE.repeat(2, 0).repeat(2, 1))
    assert len([area for area in model.areas if area > 64 * 64]) == 3
    assert len(notices) == 1
    assert total[2] < total[-1] == len(model.areas)


def test_memory_that_runs_out_in_the_smallest_tiles_is_an_error() -> None:
    notices: list[str] = []
    with pytest.raises(MemoryError, match="CUDA out of memory"):
        _tiled(_Doubling(10), notices).run(_PICTURE)
    sides = [int(each.split()[-2]) for each in notices]
    assert sides == sorted(sides, reverse=True)
    assert sides[-1] >= 32


def test_model_that_needs_the_whole_picture_is_not_split() -> None:
    with pytest.raises(MemoryError):
        _tiled(_Doubling(10), [], can_split=False).run(_PICTURE)


def test_other_errors_are_raised() -> None:
    def broken(_: NDArray[np.uint8]) -> NDArray[np.float32]:
        raise RuntimeError("shapes don't match")

    context = UpscalingContext(Device(torch.device("cpu")))
    with pytest.raises(RuntimeError, match="shapes"):
        TiledUpscaling(broken, 2, 256, 8, True, context).run(_PICTURE)
