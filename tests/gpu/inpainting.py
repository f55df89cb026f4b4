"""Inpainting in every memory mode, and what it keeps."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from sdtui.core.enums import DType, InpaintFill, MemoryMode
from sdtui.engine.generator import generate
from sdtui.requests.request import GenerationRequest
from sdtui.requests.sections.image_to_image import ImageToImage
from sdtui.requests.sections.inpaint import Inpaint
from tests.gpu.context import Check, Context
from tests.gpu.rows import Reading
from tests.gpu.same_picture import between_devices, difference

_MODES = (
    MemoryMode.MODEL_OFFLOAD,
    MemoryMode.GROUP_OFFLOAD,
    MemoryMode.SEQUENTIAL_OFFLOAD,
)


def checks() -> list[Check]:
    """Return rows for the masked picture in each memory mode, on the CPU, and beside the mask."""
    rows = [
        Check("inpainting", f"sd1: {mode} against full", partial(_mode, mode), needs_gpu=True)
        for mode in _MODES
    ]
    return [
        Check("inpainting", "sd1: change beside the mask", partial(_beside, "sd1")),
        Check("inpainting", "sdxl: change beside the mask", partial(_beside, "sdxl")),
        *rows,
        Check("CPU and GPU", "sd1 float32, inpainting", _between, needs_gpu=True),
    ]


def _beside(family: str, context: Context) -> Reading:
    """Compare the part of the picture that isn't masked with the original."""
    with tempfile.TemporaryDirectory() as name:
        request = _request(context, Path(name), family)
        result = generate(context.engine(), request).images[0]
        assert request.image_to_image is not None
        original = Image.open(request.image_to_image.image)
        kept = (0, 0, result.width // 4, result.height)
        mean, largest = difference([result.crop(kept)], [original.crop(kept)])
    return Reading(largest, "of 255", most=0, detail=f"mean {mean:.3f}")


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
    family: str = "sd1",
    *,
    dtype: DType = DType.FLOAT16,
    **values: Any,
) -> GenerationRequest:
    """Return a request that repaints a circle in the right half of a picture."""
    side = context.side(family)
    picture, mask = folder / "picture.png", folder / "mask.png"
    Image.linear_gradient("L").resize((side, side)).convert("RGB").save(picture)
    circle = Image.new("L", (side, side))
    box = (side * 0.55, side * 0.3, side * 0.95, side * 0.7)
    ImageDraw.Draw(circle).ellipse(box, fill=255)
    circle.save(mask)
    return context.request(
        family,
        dtype,
        image_to_image=ImageToImage(image=picture),
        inpainting=Inpaint(mask=mask, fill=InpaintFill.FILL),
        **values,
    )
