"""Upscale 512 to 2048 pixels with an ESRGAN of random weights: time, memory against the estimate,
and what tiles change.

Usage: python -m tests.benchmarks.upscaling [BLOCKS] [FILTERS]. The usual ESRGAN has 23 and 64.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sdtui.core.settings import Settings
from sdtui.engine.device import PeakMeter, choose_device
from sdtui.engine.upscaling import upscalers
from sdtui.engine.upscaling.tiles import OVERLAP, Tile, tiles_of
from sdtui.engine.upscaling.upscaler import UpscalingContext
from tests.support.upscalers import esrgan, save_upscaler

_SIDE, _SCALE = 512, 4


def _seams(tile: int) -> NDArray[np.bool_]:
    """True for pixels of the result where tiles blend."""
    seams = np.zeros((_SIDE * _SCALE, _SIDE * _SCALE), bool)
    for each in tiles_of(Tile(0, 0, _SIDE, _SIDE), tile, 8):
        if each.left:
            seams[:, each.left * _SCALE : (each.left + OVERLAP) * _SCALE] = True
        if each.top:
            seams[each.top * _SCALE : (each.top + OVERLAP) * _SCALE] = True
    return seams


def main(blocks: int = 23, filters: int = 64) -> None:
    device = choose_device("auto")
    meter = PeakMeter(device)
    noise = np.random.default_rng(1).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    picture = Image.fromarray(noise).resize((_SIDE, _SIDE), Image.Resampling.BICUBIC)
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        save_upscaler(Path(folder, "4x.safetensors"), esrgan(blocks=blocks, filters=filters))
        found = upscalers.Upscalers(Settings(upscaler_folders=(Path(folder),)))
        upscaler = found.find("4x")
        warm_up = picture.resize((32, 32))
        upscaler.upscale(warm_up, 128, 128, UpscalingContext(device))
        for tile in (_SIDE, 256, 128):
            expected: list[int] = []
            context = UpscalingContext(device, expect=expected.append)
            upscalers.TILE_ON_CPU = upscalers.TILE_ON_ACCELERATOR = tile
            before = device.memory().used
            meter.start()
            start = time.perf_counter()
            result = upscaler.upscale(picture, *(_SIDE * _SCALE,) * 2, context)
            seconds = time.perf_counter() - start
            peak = meter.peak() - before
            results[tile] = np.asarray(result).astype(int)
            print(  # noqa: T201
                f"tile {tile}: {seconds:.1f} s, peak {peak / 2**20:.0f} MiB of "
                f"{expected[0] / 2**20:.0f} estimated ({peak / expected[0]:.2f})"
            )
    for tile in (256, 128):
        difference = np.abs(results[tile] - results[_SIDE]).max(axis=2)
        away = difference[~_seams(tile)].max()
        print(  # noqa: T201
            f"tiles of {tile}: at most {away}/255 away from seams, {difference.max()}/255 in all"
        )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
