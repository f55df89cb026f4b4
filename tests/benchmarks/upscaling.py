"""Upscale 512 to 2048 pixels with an ESRGAN of random weights: time, memory against the estimate,
and what tiles change.

Usage: python -m tests.benchmarks.upscaling FOLDER [TILE...] [--blocks N] [--filters N]. The usual
ESRGAN has 23 and 64, and needs minutes for each size of tile on two cores. The first tile is by
default the whole picture. Results are kept in the folder, so that each size can be measured in a
call of its own; what is there already is compared.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from sdtui.core.settings import Settings
from sdtui.engine.device import PeakMeter, choose_device
from sdtui.engine.upscaling import upscalers
from sdtui.engine.upscaling.tiles import OVERLAP, Tile, tiles_of
from sdtui.engine.upscaling.upscaler import UpscalingContext
from tests.support.upscalers import esrgan, save_upscaler

_SIDE, _SCALE = 512, 4
_TILES = (_SIDE, 256, 128)


def _seams(tile: int) -> NDArray[np.bool_]:
    """True for pixels of the result where tiles blend."""
    seams = np.zeros((_SIDE * _SCALE, _SIDE * _SCALE), bool)
    for each in tiles_of(Tile(0, 0, _SIDE, _SIDE), tile, 8):
        if each.left:
            seams[:, each.left * _SCALE : (each.left + OVERLAP) * _SCALE] = True
        if each.top:
            seams[each.top * _SCALE : (each.top + OVERLAP) * _SCALE] = True
    return seams


def _with_contrast(net: torch.nn.Module) -> torch.nn.Module:
    """Return a net whose pictures have the contrast of ordinary ones; that of random weights is a
    few steps of 255, which would hide differences."""
    last = [each for each in net.modules() if isinstance(each, torch.nn.Conv2d)][-1]
    assert last.bias is not None
    with torch.no_grad():
        made = net(torch.rand(1, 3, 64, 64))
        factor = 0.25 / float(made.std())
        last.weight *= factor
        last.bias *= factor
        last.bias += 0.5 - factor * made.mean((0, 2, 3))
    return net


def _measure(folder: Path, name: str, tile: int) -> None:
    """Upscale in tiles, print what it took, and keep the picture."""
    device = choose_device("auto")
    meter = PeakMeter(device)
    noise = np.random.default_rng(1).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    picture = Image.fromarray(noise).resize((_SIDE, _SIDE), Image.Resampling.BICUBIC)
    upscaler = upscalers.Upscalers(Settings(upscaler_folders=(folder,))).find(name)
    upscaler.upscale(picture.resize((32, 32)), 128, 128, UpscalingContext(device))  # loads all
    expected: list[int] = []
    context = UpscalingContext(device, expect=expected.append)
    upscalers.TILE_ON_CPU = upscalers.TILE_ON_ACCELERATOR = tile
    before = device.memory().used
    meter.start()
    start = time.perf_counter()
    result = upscaler.upscale(picture, _SIDE * _SCALE, _SIDE * _SCALE, context)
    seconds = time.perf_counter() - start
    peak = meter.peak() - before
    result.save(folder / f"{name}-{tile}.png")
    print(  # noqa: T201
        f"tile {tile}: {seconds:.1f} s, peak {peak / 2**20:.0f} MiB of "
        f"{expected[0] / 2**20:.0f} estimated ({peak / expected[0]:.2f})"
    )


def _compare(folder: Path, name: str) -> None:
    """Print what tiles change, of all sizes that are there."""
    kept = {tile: folder / f"{name}-{tile}.png" for tile in _TILES}
    found = {
        tile: np.asarray(Image.open(path)).astype(int)
        for tile, path in kept.items()
        if path.is_file()
    }
    for tile in found.keys() - {_SIDE} if _SIDE in found else ():
        difference = np.abs(found[tile] - found[_SIDE]).max(axis=2)
        away = difference[~_seams(tile)].max()
        print(  # noqa: T201
            f"tiles of {tile}: at most {away}/255 away from seams, {difference.max()}/255 in all"
        )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("tiles", nargs="*", type=int, default=_TILES)
    parser.add_argument("--blocks", type=int, default=23)
    parser.add_argument("--filters", type=int, default=64)
    given = parser.parse_args()
    name = f"4x-{given.blocks}-{given.filters}"
    if not (given.folder / f"{name}.safetensors").exists():
        net = _with_contrast(esrgan(blocks=given.blocks, filters=given.filters))
        save_upscaler(given.folder / f"{name}.safetensors", net)
    for tile in given.tiles:
        _measure(given.folder, name, tile)
    _compare(given.folder, name)


if __name__ == "__main__":
    main()
