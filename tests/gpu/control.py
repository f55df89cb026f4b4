"""ControlNets in every memory mode."""

from __future__ import annotations

import tempfile
import time
from functools import partial
from pathlib import Path

import torch
from diffusers import ControlNetModel, UNet2DConditionModel
from PIL import Image

from sdtui.core.enums import DType, MemoryMode
from sdtui.engine.generator import generate
from sdtui.requests.request import GenerationRequest
from sdtui.requests.sections.control import Control
from tests.gpu.context import Check, Context
from tests.gpu.rows import Reading
from tests.gpu.same_picture import between_devices, difference
from tests.support.tiny_controlnets import save_as_file, with_random_zeros

_MODES = (
    MemoryMode.MODEL_OFFLOAD,
    MemoryMode.GROUP_OFFLOAD,
    MemoryMode.SEQUENTIAL_OFFLOAD,
)
_MOST_TIMES = 2.2
"""How much longer a picture may take with a net, which has about half of the UNet's weights."""


def checks() -> list[Check]:
    """Return rows for one net: its time, its picture in each memory mode, and on the CPU."""
    rows = [
        Check("ControlNet", f"sd1: {mode} against full", partial(_mode, mode), needs_gpu=True)
        for mode in _MODES
    ]
    return [
        Check("ControlNet", "sd1: times as long as without", _times),
        *rows,
        Check("CPU and GPU", "sd1 float32, ControlNet", _between, needs_gpu=True),
    ]


def _times(context: Context) -> Reading:
    with tempfile.TemporaryDirectory() as folder:
        request = _request(context, Path(folder))
        seconds = []
        for each in (context.request("sd1"), request):
            generate(context.engine(), each)
            context.device.synchronize()
            before = time.perf_counter()
            generate(context.engine(), each)
            context.device.synchronize()
            seconds.append(time.perf_counter() - before)
    return Reading(seconds[1] / seconds[0], "times", most=None if context.dry else _MOST_TIMES)


def _mode(mode: MemoryMode, context: Context) -> Reading:
    """Compare the picture of a memory mode with that of the full one."""
    with tempfile.TemporaryDirectory() as folder:
        full = generate(context.engine(), _request(context, Path(folder))).images
        there = _request(context, Path(folder), memory_mode=mode)
        result = generate(context.engine(), there)
    mean, largest = difference(full, result.images)
    return Reading(largest, "of 255", most=1, detail=f"mean {mean:.3f}")


def _between(context: Context) -> Reading:
    with tempfile.TemporaryDirectory() as folder:
        return between_devices(context, _request(context, Path(folder), dtype=DType.FLOAT32))


def _request(
    context: Context,
    folder: Path,
    *,
    dtype: DType = DType.FLOAT16,
    memory_mode: MemoryMode = MemoryMode.FULL,
) -> GenerationRequest:
    """Return a request with a net of random weights, which is written first."""
    net, picture = folder / "net.safetensors", folder / "picture.png"
    if not net.exists():
        unet = UNet2DConditionModel.from_pretrained(
            context.models.folder("sd1") / "unet", local_files_only=True
        )
        torch.manual_seed(1)
        save_as_file(with_random_zeros(ControlNetModel.from_unet(unet), 0.01), net)
        Image.linear_gradient("L").resize((512, 512)).save(picture)
    control = Control(controls=(f"{net}:{picture}:0.5,preprocessor=canny",))
    return context.request("sd1", dtype, memory_mode=memory_mode, control=control)
