"""Layers whose weights are quantized."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from sdtui.core.enums import Quantize
from sdtui.engine.quantized.formats import FORMATS, NF4_BLOCK, Format, Packed
from sdtui.models.weights import is_in_blocks

_VALUES_AT_ONCE = 2**19
"""Of a weight that is packed."""
_ROWS = 64
"""Rows are packed in multiples of so many: no block of nf4 has values of two pieces then."""


class QuantizedLayer(nn.Module):
    """A layer with a quantized weight, which is unpacked for each call.

    Made from an ordinary layer by `quantize_layer`, so that its hooks and attributes stay.
    """

    values: torch.Tensor
    scales: torch.Tensor
    stored_format: Format
    weight_shape: torch.Size
    compute_dtype: torch.dtype

    @property
    def weight(self) -> torch.Tensor:
        """The weight that the layer computes with; computed anew each time."""
        return self.unpacked(Packed(self.values, self.scales))

    def unpacked(self, packed: Packed) -> torch.Tensor:
        """Return the weight that is stored as `packed`."""
        values = self.stored_format.unpack(packed, self.compute_dtype)
        return values.reshape(self.weight_shape)


class QuantizedLinear(QuantizedLayer, nn.Linear):  # type: ignore[override]  # see weight
    """A linear layer."""


class QuantizedConv2d(QuantizedLayer, nn.Conv2d):  # type: ignore[override]  # see weight
    """A convolution."""


_QUANTIZED: dict[type[nn.Module], type[QuantizedLayer]] = {
    nn.Linear: QuantizedLinear,
    nn.Conv2d: QuantizedConv2d,
}


def can_hold(layer: nn.Module) -> bool:
    """True if a layer can have a quantized weight."""
    return type(layer) in _QUANTIZED


def quantize_layer(
    layer: nn.Module, stored_format: Format, packed: Packed, dtype: torch.dtype
) -> None:
    """Give a linear layer or a convolution a quantized weight in place of its own. It computes in
    `dtype`."""
    shape = layer.weight.shape
    del layer._parameters["weight"]
    quantized: Any = layer
    quantized.__class__ = _QUANTIZED[type(layer)]
    quantized.stored_format = stored_format
    quantized.weight_shape = shape
    quantized.compute_dtype = dtype
    for name, tensor in (("values", packed.values), ("scales", packed.scales)):
        layer.register_parameter(name, nn.Parameter(tensor, requires_grad=False))


def can_quantize_weight(layer: str, weight: torch.Tensor, quantize: Quantize) -> bool:
    """True if the weight of a linear layer or convolution is one of those that are quantized."""
    if quantize is Quantize.NONE or not is_in_blocks(layer):
        return False
    return quantize is not Quantize.NF4 or weight.numel() % NF4_BLOCK == 0


@torch.no_grad()
def pack_weight(stored_format: Format, weight: torch.Tensor) -> Packed:
    """Pack a weight, some rows after the others: each needs some copies in fp32 meanwhile."""
    rows = max(1, _VALUES_AT_ONCE // max(1, weight[0].numel()) // _ROWS) * _ROWS
    first = stored_format.pack(weight[:rows])
    if len(weight) <= rows:
        return first
    whole = tuple(
        each.new_empty(len(each) * len(weight) // rows, *each.shape[1:])
        for each in (first.values, first.scales)
    )
    for start in range(0, len(weight), rows):
        piece = stored_format.pack(weight[start : start + rows]) if start else first
        for each, part in zip(whole, (piece.values, piece.scales), strict=True):
            place = start * len(each) // len(weight)
            each[place : place + len(part)] = part
    return Packed(*whole)


def quantize_model(model: nn.Module, quantize: Quantize) -> None:
    """Quantize the layers in the repeated blocks of a model, one after the other. Does nothing for
    those that are quantized already."""
    stored_format = FORMATS[quantize]
    for name, layer in model.named_modules():
        if not can_hold(layer):
            continue
        weight: Any = layer.weight
        if can_quantize_weight(name, weight, quantize):
            quantize_layer(layer, stored_format, pack_weight(stored_format, weight), weight.dtype)


def is_quantized(model: nn.Module) -> bool:
    """True if layers of a model are quantized, by sdtui or as in their file."""
    return any(isinstance(each, QuantizedLayer) for each in model.modules())
