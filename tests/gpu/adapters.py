"""LoRAs and prompts with syntax."""

from __future__ import annotations

import tempfile
import time
from functools import partial
from pathlib import Path

from sdtui.core.enums import DType
from sdtui.engine.features.lora import Lora
from sdtui.engine.generator import generate
from sdtui.requests.request import GenerationRequest
from sdtui.requests.sections.adapters import Adapters
from tests.gpu.context import Check, Context
from tests.gpu.rows import Reading
from tests.gpu.same_picture import between_devices, difference
from tests.support.loras import random_lora, save_lora, tensors_of, trained_layers

_RANK = 32
_MOST_SECONDS = 1.5
_PROMPT = "(a red apple:1.3) [on a table:in a bowl:0.5] AND green leaves :0.5"


def checks() -> list[Check]:
    """Return rows for LoRAs that come and go, and for prompts that change by step."""
    return [
        Check("LoRA", "sd1, rank 32: another set", partial(_seconds, "sd1")),
        Check("LoRA", "sdxl, rank 32: another set", partial(_seconds, "sdxl")),
        Check("LoRA", "sd1: base picture afterwards", _base_picture),
        Check("CPU and GPU", "sd1 float32, weights, AND, schedule", _between, needs_gpu=True),
    ]


def _seconds(family: str, context: Context) -> Reading:
    """Measure how long another set of LoRAs takes to merge."""
    with tempfile.TemporaryDirectory() as folder:
        first, second = _with_loras(context, family, Path(folder))
        engine = context.engine()
        generate(engine, first)
        assert engine.loaded is not None
        loras = Lora(engine.settings).open(second)
        assert loras is not None
        context.device.synchronize()
        before = time.perf_counter()
        engine.loaded.loras.use(engine.loaded.pipeline, loras.loras)
        context.device.synchronize()
        seconds = time.perf_counter() - before
        generate(engine, context.request(family))
    return Reading(seconds, "s", most=_MOST_SECONDS)


def _base_picture(context: Context) -> Reading:
    """Compare the picture without LoRAs before and after two sets of them."""
    engine = context.engine()
    base = generate(engine, context.request("sd1")).images
    with tempfile.TemporaryDirectory() as folder:
        changes = [
            difference(base, generate(engine, request).images)[0]
            for request in _with_loras(context, "sd1", Path(folder))
        ]
    again = generate(engine, context.request("sd1")).images
    _, largest = difference(base, again)
    return Reading(largest, "of 255", most=0, detail=f"with a LoRA: mean {min(changes):.2f}")


def _with_loras(context: Context, family: str, folder: Path) -> list[GenerationRequest]:
    """Return two requests, each with a LoRA of its own."""
    engine, request = context.engine(), context.request(family)
    generate(engine, request)
    assert engine.loaded is not None
    pipeline = engine.loaded.pipeline
    layers = trained_layers(pipeline, "unet", "text_encoder")
    requests = []
    for seed in range(2):
        tensors = tensors_of(pipeline, random_lora(pipeline, layers, _RANK, seed))
        file = save_lora(folder / f"{seed}.safetensors", tensors)
        requests.append(context.request(family, adapters=Adapters(loras=(f"{file}:0.5",))))
    return requests


def _between(context: Context) -> Reading:
    return between_devices(context, context.request("sd1", DType.FLOAT32, prompt=_PROMPT))
