"""Pictures of the engine against those of plain diffusers, and of the GPU against the CPU."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoPipelineForImage2Image
from PIL import Image

from sdtui.bench.measure import picture_difference
from sdtui.core.enums import DType
from sdtui.core.settings import Settings
from sdtui.engine.generator import generate
from sdtui.engine.pipeline_manager import StableDiffusionEngine
from sdtui.engine.resolve import resolve
from sdtui.engine.samplers import make_scheduler
from sdtui.requests.request import GenerationRequest
from tests.gpu.context import Check, Context
from tests.gpu.rows import Reading
from tests.support import images

MOST_IN_FLOAT32 = 1
"""Largest difference of a value from diffusers', of 255."""

MOST_IN_HALF_PRECISION = {DType.FLOAT16: 1.0, DType.BFLOAT16: 2.0}
"""Mean difference of all values from diffusers', of 255: the engine draws noise and converts the
decoder's pixels in fp32, where diffusers rounds them to the model's own precision. In bf16,
diffusers encodes SDXL's init images in fp32."""

MOST_BETWEEN_DEVICES = 2.0
"""Mean difference of all values between GPU and CPU in fp32, of 255."""

_STRENGTH = 0.6


def checks() -> list[Check]:
    """Return a row for each model, number format and kind of picture."""
    kinds = {"text": _text, "image": _image, "batch": _batch}
    rows = [
        Check("same picture", f"{family} {dtype} {kind}", partial(measure, family, dtype))
        for family, dtypes in {
            "sd1": (DType.FLOAT16, DType.BFLOAT16, DType.FLOAT32),
            "sdxl": (DType.FLOAT16, DType.BFLOAT16, DType.FLOAT32),
            "pocket": (DType.FLOAT16, DType.FLOAT32),
        }.items()
        for dtype in dtypes
        for kind, measure in kinds.items()
    ]
    rows += [
        Check(
            "same picture",
            f"flux {DType.BFLOAT16} {kind}",
            partial(measure, "flux", DType.BFLOAT16),
        )
        for kind, measure in {"text": _text, "batch": _batch}.items()
    ]
    rows += [
        Check("CPU and GPU", f"{family} float32", partial(_between_devices, family), needs_gpu=True)
        for family in ("pocket", "sd1")
    ]
    return rows


def _text(family: str, dtype: DType, context: Context) -> Reading:
    return _compare(context, context.request(family, dtype), family)


def _batch(family: str, dtype: DType, context: Context) -> Reading:
    return _compare(context, context.request(family, dtype, num_images_per_prompt=2), family)


def _image(family: str, dtype: DType, context: Context) -> Reading:
    side = context.side(family)
    picture = Image.linear_gradient("L").resize((side, side)).convert("RGB")
    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / "init.png"
        picture.save(file)
        request = context.request(family, dtype).changed(init_image=file, strength=_STRENGTH)
        return _compare(context, request, family, picture)


def _compare(
    context: Context, request: GenerationRequest, family: str, picture: Image.Image | None = None
) -> Reading:
    engine = context.engine()
    own = generate(engine, request).images
    loaded = engine.loaded
    assert loaded is not None
    resolved = resolve(request, loaded)
    pipeline = context.plain_pipeline(family, loaded.dtype)
    original = pipeline.scheduler
    pipeline.scheduler = make_scheduler(original, resolved.sampler)
    arguments: dict[str, Any] = {
        "prompt": resolved.prompt,
        "num_inference_steps": resolved.num_inference_steps,
        "guidance_scale": resolved.guidance_scale,
        "num_images_per_prompt": request.num_images_per_prompt,
        "generator": [torch.Generator("cpu").manual_seed(seed) for seed in request.seeds()],
    }
    try:
        if picture is None:
            arguments |= {"width": resolved.width, "height": resolved.height}
            theirs = pipeline(**arguments).images
        else:
            other: Any = AutoPipelineForImage2Image.from_pipe(pipeline)
            other.set_progress_bar_config(disable=True)
            theirs = other(image=picture, strength=_STRENGTH, **arguments).images
    finally:
        pipeline.scheduler = original
    mean, largest = difference(own, theirs)
    if loaded.dtype is DType.FLOAT32:
        return Reading(largest, "of 255", most=MOST_IN_FLOAT32, detail=f"mean {mean:.3f}")
    most = MOST_IN_HALF_PRECISION[loaded.dtype]
    return Reading(mean, "of 255", most=most, detail=f"largest {largest}")


def _between_devices(family: str, context: Context) -> Reading:
    return between_devices(context, context.request(family, DType.FLOAT32))


def between_devices(context: Context, request: GenerationRequest) -> Reading:
    """Compare a picture of 256 pixels a side made by the GPU with that of the CPU."""
    request = request.changed(width=256, height=256)
    on_gpu = generate(context.engine(), request).images
    with StableDiffusionEngine(Settings(device="cpu", previews=False)) as engine:
        on_cpu = generate(engine, request).images
    mean, largest = difference(on_gpu, on_cpu)
    return Reading(
        mean, "of 255", most=MOST_BETWEEN_DEVICES, detail=f"largest difference {largest}"
    )


def difference(own: list[Image.Image], theirs: list[Image.Image]) -> tuple[float, int]:
    """Return the mean and the largest difference of the values of pictures, 0 to 255."""
    return picture_difference(own, theirs), max(map(images.difference, own, theirs))
