"""The packed number formats of GGUF files."""

from __future__ import annotations

from functools import cache
from typing import Any

import torch

from sdtui.engine.quantized.formats import Format, Packed


@cache
def gguf_format(label: str) -> Format:
    """Return the format with a name such as "Q4_K". Its values are blocks of bytes that hold their
    own scales."""
    import gguf
    from diffusers.quantizers.gguf.utils import dequantize_functions

    kind = gguf.GGMLQuantizationType[label]
    block, size = gguf.GGML_QUANT_SIZES[kind]
    unpack_blocks: Any = dequantize_functions[kind]

    def unpack(packed: Packed, dtype: torch.dtype) -> torch.Tensor:
        values: torch.Tensor = unpack_blocks(packed.values.reshape(-1, size), block, size)
        return values.to(dtype)

    return Format(_packs_nothing, unpack)


def values_in(count: int, label: str) -> int:
    """Return how many values are in so many bytes of a format."""
    import gguf

    block, size = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[label]]
    return count // size * block


def _packs_nothing(_: torch.Tensor) -> Packed:
    raise NotImplementedError("weights are packed by other programs")
