"""Number formats of quantized weights: packing a matrix into 8 or 4 bits a value, and back.

They are for weights alone: a layer computes in the precision of its input. All are plain
operations of torch, so that they work on every device.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from sdtui.core.enums import Quantize

FLOAT8 = torch.float8_e4m3fn
FLOAT8_WIDE = torch.float8_e5m2
"""With a larger range and fewer digits; only in files."""
_FLOAT8_LARGEST = torch.finfo(FLOAT8).max
_INT8_LARGEST = 127

NF4_BLOCK = 64
"""Values with a common scale; bitsandbytes' default."""
NF4_VALUES = (
    # The quantiles of the normal distribution in QLoRA (arXiv 2305.14314, appendix E).
    *(-1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453),
    *(-0.28444138169288635, -0.18477343022823334, -0.09105003625154495, 0.0),
    *(0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224),
    *(0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0),
)
_SMALLEST_SCALE = 1e-8
"""Of rows that are zero: torch.finfo(torch.float16).tiny / 8192 is smaller still."""


@dataclass(frozen=True)
class Packed:
    """A weight as it is stored."""

    values: torch.Tensor
    """int8 or uint8; fp8 numbers as the bytes that they consist of, since modules convert
    everything that is a floating-point number to their own precision."""
    scales: torch.Tensor
    """What the values are multiplied with, for each row or block."""


@dataclass(frozen=True)
class Format:
    """A number format."""

    pack: Callable[[torch.Tensor], Packed]
    """From a weight, of which each first index is a row."""
    unpack: Callable[[Packed, torch.dtype], torch.Tensor]
    """To the values of the weight in their order, in another shape."""


def _by_row(weight: torch.Tensor, largest: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the rows, in fp32, divided by their scales, and the scales."""
    rows = weight.detach().flatten(1).float()
    scales = (rows.abs().amax(1) / largest).clamp_min(_SMALLEST_SCALE)
    return rows / scales[:, None], scales


def _pack_int8(weight: torch.Tensor) -> Packed:
    rows, scales = _by_row(weight, _INT8_LARGEST)
    return Packed(rows.round().clamp(-_INT8_LARGEST, _INT8_LARGEST).to(torch.int8), scales)


def _unpack_int8(packed: Packed, dtype: torch.dtype) -> torch.Tensor:
    return packed.values.to(dtype) * packed.scales.to(dtype)[:, None]


def _pack_float8(weight: torch.Tensor) -> Packed:
    rows, scales = _by_row(weight, _FLOAT8_LARGEST)
    return Packed(rows.to(FLOAT8).view(torch.uint8), scales)


def _unpacks(kind: torch.dtype) -> Callable[[Packed, torch.dtype], torch.Tensor]:
    def unpack(packed: Packed, dtype: torch.dtype) -> torch.Tensor:
        return packed.values.view(kind).to(dtype) * packed.scales.to(dtype)[:, None]

    return unpack


def _pack_nf4(weight: torch.Tensor) -> Packed:
    blocks = weight.detach().float().reshape(-1, NF4_BLOCK)
    scales = blocks.abs().amax(1).clamp_min(_SMALLEST_SCALE)
    levels = torch.tensor(NF4_VALUES, device=weight.device)
    between = (levels[1:] + levels[:-1]) / 2
    codes = torch.bucketize(blocks / scales[:, None], between).to(torch.uint8)
    return Packed(codes[:, ::2] << 4 | codes[:, 1::2], scales.half())


def _unpack_nf4(packed: Packed, dtype: torch.dtype) -> torch.Tensor:
    levels = torch.tensor(NF4_VALUES, dtype=dtype, device=packed.values.device)
    # Both values of a byte are looked up at once.
    pairs = torch.stack((levels.repeat_interleave(16), levels.repeat(16)), 1)
    values = pairs[packed.values.int()].flatten(1)
    return values * packed.scales.to(dtype)[:, None]


FORMATS = {
    Quantize.FP8: Format(_pack_float8, _unpacks(FLOAT8)),
    Quantize.INT8: Format(_pack_int8, _unpack_int8),
    Quantize.NF4: Format(_pack_nf4, _unpack_nf4),
}
OF_FILES = {FLOAT8: FORMATS[Quantize.FP8], FLOAT8_WIDE: Format(_pack_float8, _unpacks(FLOAT8_WIDE))}
"""The formats of weights that files have in 8-bit floating-point numbers."""
