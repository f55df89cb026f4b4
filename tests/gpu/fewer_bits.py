"""Loading in parts, weights in fewer bits, and transformer files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch

from sdtui.core.enums import DType, MemoryMode, Quantize
from sdtui.engine.generator import generate
from sdtui.engine.pipeline_manager import StableDiffusionEngine
from sdtui.models.weights import component_bytes
from sdtui.requests.request import GenerationRequest
from tests.gpu.context import MIB, Check, Context
from tests.gpu.rows import Reading
from tests.gpu.same_picture import MOST_IN_FLOAT32, difference
from tests.support.transformer_files import tensors_of, write_float8, write_gguf

_TRANSFORMER = "transformer"


def checks() -> list[Check]:
    """Return rows for models in parts, each way of quantizing, and each kind of file."""
    rows = [
        Check("same picture", f"{family} in parts", partial(_in_parts, family))
        for family in ("sd1", "flux")
    ]
    rows += [
        Check("weights: bytes / estimate", f"flux {each}", partial(_quantized, each))
        for each in Quantize
        if each is not Quantize.NONE
    ]
    rows += [
        Check("weights: bytes / estimate", f"flux file {kind}", partial(_from_file, kind))
        for kind in ("Q8_0", "Q4_0", "fp8")
    ]
    return rows


def _in_parts(family: str, context: Context) -> Reading:
    """Compare pictures of a model in parts with those of the whole one."""
    context.drop_plain()
    request = context.request(family, DType.FLOAT32, num_images_per_prompt=2)
    whole = generate(context.engine(), request).images
    execution = replace(request.execution, memory_mode=MemoryMode.PARTS)
    found = generate(context.engine(), replace(request, execution=execution))
    mean, largest = difference(found.images, whole)
    record = found.record
    seconds = f"{record.timings.get('load', 0):.1f} of {record.generation_time:.1f} s to load"
    detail = f"mean {mean:.3f}, {seconds}"
    return Reading(largest, "of 255", most=MOST_IN_FLOAT32, detail=detail)


def _quantized(quantize: Quantize, context: Context) -> Reading:
    request = context.request("flux", DType.BFLOAT16)
    execution = replace(request.execution, quantize=quantize)
    return _weights(context, request, replace(request, execution=execution))


def _from_file(kind: str, context: Context) -> Reading:
    request = context.request("flux", DType.BFLOAT16)
    folder = context.models.folder("flux")
    file = _file(folder, kind)
    engine = context.engine()
    engine.settings = replace(engine.settings, base_models=(folder,))
    return _weights(context, request, request.changed(model=str(file)), engine)


def _file(folder: Path, kind: str) -> Path:
    """Write the transformer of a model in a format."""
    if kind == "fp8":
        return write_float8(folder / "fp8.safetensors", tensors_of(folder))
    return write_gguf(folder / f"{kind}.gguf", tensors_of(folder), kind)


def _weights(
    context: Context,
    plain: GenerationRequest,
    request: GenerationRequest,
    engine: StableDiffusionEngine | None = None,
) -> Reading:
    """Compare the bytes of a transformer with the estimate, and its picture with the plain one."""
    context.drop_plain()
    engine = engine or context.engine()
    before = generate(engine, plain).images
    images = generate(engine, request).images
    loaded = engine.loaded
    assert loaded is not None
    held = sum(each.nbytes for each in _tensors(loaded.pipeline.transformer))
    expected = component_bytes(loaded.description, _TRANSFORMER, loaded.dtype, loaded.quantize)
    mean, _ = difference(images, before)
    detail = f"{held / MIB:.1f} MiB; the picture differs by {mean:.2f} of 255 in the mean"
    if context.dry:  # a few small layers aren't quantized
        return Reading(held / expected, detail=detail)
    return Reading(held / expected, least=0.9, most=1.1, detail=detail)


def _tensors(module: torch.nn.Module) -> Iterator[torch.Tensor]:
    yield from module.parameters()
    yield from module.buffers()
