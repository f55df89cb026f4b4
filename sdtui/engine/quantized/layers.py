"""Layers whose weights are quantized."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from sdtui.core.enums import Quantize
from sdtui.engine.quantized.formats import FORMATS, NF4_BLOCK, Format, Packed
from sdtui.models.weights import is_in_blocks

_OF_GGUF = "GGUFLinear"
"""diffusers' class, whose module needs the library gguf."""


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


@torch.no_grad()
def quantize_model(model: nn.Module, quantize: Quantize) -> None:
    """Quantize the layers in the repeated blocks of a model, one after the other."""
    stored_format = FORMATS[quantize]
    for name, layer in model.named_modules():
        if can_hold(layer) and is_in_blocks(name):
            weight: Any = layer.weight
            if quantize is not Quantize.NF4 or weight.numel() % NF4_BLOCK == 0:
                packed = stored_format.pack(weight)
                quantize_layer(layer, stored_format, packed, weight.dtype)


def is_quantized(model: nn.Module) -> bool:
    """True if layers of a model are quantized, by sdtui or as in a GGUF file."""
    kinds = {each.__name__ for each in (QuantizedLinear, QuantizedConv2d)} | {_OF_GGUF}
    return any(type(each).__name__ in kinds for each in model.modules())
