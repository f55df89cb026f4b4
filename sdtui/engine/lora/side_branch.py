"""Deltas of quantized layers, computed beside them: their weights can't be changed in place."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional

from sdtui.engine.lora.delta import Decomposed, Delta, LowRank, Rows
from sdtui.engine.lora.storage import stored_tensors
from sdtui.engine.memory.parts import is_placeholder
from sdtui.engine.quantized.formats import Packed
from sdtui.engine.quantized.layers import QuantizedLayer

_PLAIN = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
_QUANTIZED_TENSORS = "torchao"
"""Tensors of this library claim to be in the precision that they compute in."""


def is_mergeable(module: torch.nn.Module, name: str) -> bool:
    """True if a parameter is an ordinary tensor, which can be changed in place."""
    if isinstance(module, QuantizedLayer):
        return name != "weight"
    tensor = stored_tensors(module, name)[0]
    is_plain = not type(tensor).__module__.startswith(_QUANTIZED_TENSORS)
    return is_plain and tensor.dtype in _PLAIN


def is_absent(module: torch.nn.Module, name: str) -> bool:
    """True if a parameter belongs to a part of the model that isn't in memory."""
    is_packed = isinstance(module, QuantizedLayer) and name == "weight"
    return is_placeholder(stored_tensors(module, "values" if is_packed else name)[0])


def add_branch(module: torch.nn.Module, delta: Delta, weight: float, start: int) -> Any:
    """Add what a delta of a layer's rows from `start` on contributes to its output; returns the
    handle that removes it."""
    branch = _Branch(module, delta, weight, start)
    return module.register_forward_hook(branch)


class _Branch:
    """The forward hook. Its matrices are kept in the precision and on the device of the input."""

    def __init__(self, module: torch.nn.Module, delta: Delta, weight: float, start: int) -> None:
        self._start = start
        self._rows = delta.shape[0]
        self._factors = _factors(module, delta, weight)

    def __call__(
        self, module: torch.nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor
    ) -> torch.Tensor:
        added = inputs[0].to(output.device)
        self._factors = [each.to(added.device, added.dtype) for each in self._factors]
        first, *others = self._factors
        if isinstance(module, torch.nn.Conv2d):
            kernel = first.reshape(len(first), -1, *module.kernel_size)
            added = functional.conv2d(
                added, kernel, None, module.stride, module.padding, module.dilation, module.groups
            )
        else:
            added = functional.linear(added, first)
        for each in others:
            added = functional.linear(added, each)
        if self._rows == output.shape[-1] or isinstance(module, torch.nn.Conv2d):
            return output + added.to(output.dtype)
        output = output.clone()
        output[..., self._start : self._start + self._rows] += added.to(output.dtype)
        return output


@torch.no_grad()
def _factors(module: torch.nn.Module, delta: Delta, weight: float) -> list[torch.Tensor]:
    """Return the matrices that the input is multiplied with, one after the other."""
    inner, rows = delta, slice(None)
    if isinstance(delta, Rows):
        inner, rows = delta.whole, slice(delta.start, delta.start + delta.count)
    if isinstance(inner, LowRank) and inner.mid is None and isinstance(module, torch.nn.Linear):
        up = inner.up.flatten(1)[rows].float() * (inner.scale * weight)
        return [inner.down.flatten(1).float(), up]
    original = torch.zeros(delta.shape)
    if isinstance(inner, Decomposed):
        original = _dense_weight(module)
    return [delta.change(original) * weight]


def _dense_weight(module: torch.nn.Module) -> torch.Tensor:
    """Return the weight that a quantized linear layer computes with, out x in: what it makes of the
    unit vectors, if it isn't known."""
    if isinstance(module, QuantizedLayer):
        packed = Packed(*(stored_tensors(module, name)[0] for name in ("values", "scales")))
        return module.unpacked(packed).flatten(1).float()
    assert isinstance(module, torch.nn.Linear)
    dtype = module.bias.dtype if module.bias is not None else torch.float32
    device = stored_tensors(module, "weight")[0].device
    output: torch.Tensor = module(torch.eye(module.in_features, dtype=dtype, device=device))
    bias = 0 if module.bias is None else module.bias.float()
    return (output.float() - bias).T
