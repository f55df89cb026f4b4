"""How many bytes the weights of a model take in memory, in each number format."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from sdtui.core.enums import DType, Quantize
from sdtui.models.description import ModelDescription
from sdtui.models.headers import Header

BYTES = {DType.FLOAT32: 4, DType.FLOAT16: 2, DType.BFLOAT16: 2}
"""Of a value."""
QUANTIZED_BYTES = {
    # With the scales: one in fp32 for each row, or one in fp16 for 64 values.
    Quantize.FP8: 1.002,
    Quantize.INT8: 1.002,
    Quantize.NF4: 0.5 + 2 / 64,
}
LARGE_ENCODER = 1_000_000_000
"""Values from which on a text encoder is quantized: T5-XXL and language models, not CLIP."""

_DENOISERS = ("unet", "transformer")
_FORMATS = {"F32": "fp32", "F16": "fp16", "BF16": "bf16", "F8_E4M3": "fp8", "F8_E5M2": "fp8"}
"""Names of safetensors' number formats."""
_IN_BLOCKS = re.compile(r"(^|\.)\d+\.")


@dataclass(frozen=True)
class WeightCount:
    """The number of values in the weights of a component."""

    total: int = 0
    in_blocks: int = 0
    """Of matrices in repeated blocks, see `is_in_blocks`."""
    format: str = ""
    """The number format of most of them, such as "bf16"."""


def is_in_blocks(layer: str) -> bool:
    """True if a layer belongs to one of the repeated blocks of a model, which hold nearly all of
    its weights. Pictures depend most on the few others, such as the embedding of the time step and
    the last projection, which are never quantized."""
    return _IN_BLOCKS.search(layer) is not None


def count_weights(headers: Iterable[Header]) -> WeightCount:
    """Return the number of values in the files of a component."""
    in_blocks = 0
    by_format: Counter[str] = Counter()
    for header in headers:
        for name, info in header.tensors.items():
            by_format[info.dtype] += info.elements
            layer, _, attribute = name.rpartition(".")
            if attribute == "weight" and len(info.shape) > 1 and is_in_blocks(layer):
                in_blocks += info.elements
    most = max(by_format, key=lambda name: by_format[name], default="")
    return WeightCount(by_format.total(), in_blocks, _FORMATS.get(most, most.lower()))


def can_quantize(description: ModelDescription, name: str) -> bool:
    """True if a component is quantized where that is asked for: the denoiser, and large text
    encoders. Those that come in a format of their own stay in it."""
    if name in description.stored:
        return False
    if name in _DENOISERS:
        return True
    return name.startswith("text_encoder") and description.parameters[name] >= LARGE_ENCODER


def has_quantizable(description: ModelDescription) -> bool:
    """True if one of a model's components can be quantized."""
    return any(can_quantize(description, name) for name in description.parameters)


def component_bytes(
    description: ModelDescription, name: str, dtype: DType, quantize: Quantize = Quantize.NONE
) -> int:
    """Return the bytes of a component's weights in memory in a run in `dtype`."""
    if name in description.stored:
        return description.stored[name]
    count, size = description.parameters[name], BYTES[description.dtype_of(name, dtype)]
    if quantize is Quantize.NONE or not can_quantize(description, name):
        return count * size
    in_blocks = description.in_blocks.get(name, count)
    return int(in_blocks * QUANTIZED_BYTES[quantize]) + (count - in_blocks) * size
