"""An upscaler's memory against its estimate, and its picture against the CPU's."""

from __future__ import annotations

import tempfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from sdtui.core.settings import Settings
from sdtui.engine.device import Device, PeakMeter
from sdtui.engine.upscaling.upscaler import UpscalingContext
from sdtui.engine.upscaling.upscalers import Upscalers
from tests.gpu.context import Check, Context
from tests.gpu.rows import Reading
from tests.support.upscalers import esrgan, save_upscaler

_MOST_OF_ESTIMATE = 1.2
_MOST_LEVELS = 3
"""Of 255, by which fp16 may differ from float32."""
_MISSING = Reading(None, detail="spandrel isn't installed")


def checks() -> list[Check]:
    """Return rows for an ESRGAN of the usual size, which need spandrel."""
    return [
        Check("upscaling", "512 to 2048: peak of the estimate", _memory, needs_gpu=True),
        Check("CPU and GPU", "upscaling in fp16: levels", _difference, needs_gpu=True),
    ]


def _memory(context: Context) -> Reading:
    if find_spec("spandrel") is None:
        return _MISSING
    expected: list[int] = []
    with tempfile.TemporaryDirectory() as folder:
        upscaler = _saved(Path(folder), blocks=23, filters=64).find("4x")
        where = UpscalingContext(context.device, expect=expected.append)
        upscaler.upscale(_picture(64), 256, 256, where)
        before = context.device.memory().used
        meter = PeakMeter(context.device)
        meter.start()
        upscaler.upscale(_picture(512), 2048, 2048, where)
    return Reading((meter.peak() - before) / expected[-1], "times", most=_MOST_OF_ESTIMATE)


def _difference(context: Context) -> Reading:
    if find_spec("spandrel") is None:
        return _MISSING
    with tempfile.TemporaryDirectory() as folder:
        upscalers = _saved(Path(folder), blocks=4, filters=32)
        results = []
        for device in (context.device, Device(torch.device("cpu"))):
            upscalers.unload()
            made = upscalers.find("4x").upscale(_picture(128), 512, 512, UpscalingContext(device))
            results.append(np.asarray(made).astype(int))
    return Reading(float(np.abs(results[0] - results[1]).max()), "levels", most=_MOST_LEVELS)


def _saved(folder: Path, *, blocks: int, filters: int) -> Upscalers:
    save_upscaler(folder / "4x.safetensors", esrgan(blocks=blocks, filters=filters))
    return Upscalers(Settings(upscaler_folders=(folder,)))


def _picture(side: int) -> Image.Image:
    noise = np.random.default_rng(1).integers(0, 256, (32, 32, 3)).astype(np.uint8)
    return Image.fromarray(noise).resize((side, side), Image.Resampling.BICUBIC)
