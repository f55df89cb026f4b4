"""Give a module on the meta device its weights, one tensor after the other, so that a weight that
is converted or quantized is in memory twice only while that is done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from sdtui.core.enums import Quantize
from sdtui.engine.quantized.formats import FORMATS, OF_FILES, Format, Packed
from sdtui.engine.quantized.layers import (
    can_hold,
    can_quantize_weight,
    pack_weight,
    quantize_layer,
)


@dataclass(frozen=True)
class Stored:
    """A tensor as it is in a file."""

    values: torch.Tensor
    stored_format: Format | None = None
    """Set if the values are packed."""
    scales: torch.Tensor | None = None
    """What packed values are multiplied with, for each row."""
    shape: tuple[int, ...] = ()
    """Of the tensor that the values stand for, if they are packed."""

    @property
    def packed(self) -> Packed:
        scales = torch.ones(0) if self.scales is None else self.scales
        return Packed(self.values, scales)

    def plain(self, dtype: torch.dtype) -> torch.Tensor:
        """Return the tensor itself, in `dtype` if it has floating-point numbers."""
        if self.stored_format is not None:
            return self.stored_format.unpack(self.packed, dtype).reshape(self.shape)
        return self.values.to(dtype) if self.values.is_floating_point() else self.values


def as_stored(values: torch.Tensor, scales: torch.Tensor | None = None) -> Stored:
    """Return a tensor of a .safetensors file; `scales` are those of a weight in fp8, one for all of
    it or for each row (none = 1)."""
    stored_format = OF_FILES.get(values.dtype)
    if stored_format is None:
        return Stored(values)
    shape = tuple(values.shape)
    rows = values.contiguous().reshape(shape[0] if shape else 1, -1)
    scales = torch.ones(1) if scales is None else scales
    scales = scales.expand(len(rows)).contiguous()
    return Stored(rows.view(torch.uint8), stored_format, scales, shape)


class Filling:
    """Fills one module."""

    def __init__(
        self, module: nn.Module, dtype: torch.dtype, quantize: Quantize = Quantize.NONE
    ) -> None:
        """Tensors get `dtype`, except those that the module keeps in fp32. Plain weights of
        repeated blocks are quantized."""
        self.module = module
        self._dtype = dtype
        self._quantize = quantize
        self._in_fp32 = _kept_in_fp32(module, dtype)

    def fill(self, name: str, stored: Stored) -> None:
        """Give the module a tensor. Raises ValueError if it has another shape."""
        layer_name, _, attribute = name.rpartition(".")
        layer = self.module.get_submodule(layer_name)
        shape = getattr(layer, attribute).shape
        found = stored.shape if stored.stored_format else tuple(stored.values.shape)
        if found != tuple(shape):
            raise ValueError(f"{name} has the shape {found} instead of {tuple(shape)}")
        dtype = torch.float32 if self._in_fp32.intersection(name.split(".")) else self._dtype
        if attribute == "weight" and can_hold(layer):
            if stored.stored_format is not None:
                return quantize_layer(layer, stored.stored_format, stored.packed, dtype)
            if can_quantize_weight(layer_name, stored.values, self._quantize):
                stored_format = FORMATS[self._quantize]
                packed = pack_weight(stored_format, stored.values)
                return quantize_layer(layer, stored_format, packed, dtype)
        plain = stored.plain(dtype)
        if attribute in layer._buffers:
            layer._buffers[attribute] = plain
        else:
            # As the libraries leave it: torch computes some layers in another way without.
            takes_grad = plain.is_floating_point()
            layer.register_parameter(attribute, nn.Parameter(plain, requires_grad=takes_grad))
        return None

    def missing(self) -> list[str]:
        """Tie the weights that the module has twice, and return the names of those that it didn't
        get."""
        tie: Callable[[], object] | None = getattr(self.module, "tie_weights", None)
        if tie is not None:
            _fill_sources_of_ties(self.module)
            tie()
        return [name for name, tensor in self.module.state_dict().items() if tensor.is_meta]


def _kept_in_fp32(module: Any, dtype: torch.dtype) -> set[str]:
    """Return the names of submodules that the libraries keep in fp32 in a run in `dtype`."""
    if dtype is torch.float32:
        return set()
    names = set(getattr(module, "_keep_in_fp32_modules_strict", None) or ())
    is_of_transformers = hasattr(module, "_keep_in_fp32_modules_strict")
    if dtype is torch.float16 or not is_of_transformers:
        names.update(getattr(module, "_keep_in_fp32_modules", None) or ())
    return names


def _fill_sources_of_ties(module: Any) -> None:
    """Where a file has a tied weight only under its second name, give it to the first."""
    for second, first in (getattr(module, "all_tied_weights_keys", None) or {}).items():
        found, lacking = module.get_parameter(second), module.get_parameter(first)
        if lacking.is_meta and not found.is_meta:
            layer, _, attribute = first.rpartition(".")
            module.get_submodule(layer).register_parameter(attribute, found)
