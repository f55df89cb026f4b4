"""The parts of a model that are in memory only while a stage needs them."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from typing import Any

import torch

from sdtui.engine.device import Device

LoadPart = Callable[[str], torch.nn.Module]
"""Loads the component of a name into main memory."""


class ModelParts:
    """Loads parts of a pipeline and frees them. In the place of a part that isn't loaded, the
    pipeline has one whose weights take no memory, so that everything can look at its config, its
    device and its layers. What it computes is NaN."""

    def __init__(self, pipeline: Any, load: LoadPart, device: Device) -> None:
        """`pipeline` has modules on the meta device."""
        self._pipeline = pipeline
        self._load = load
        self._device = device
        self._empty: dict[str, torch.nn.Module] = {
            name: part
            for name, part in pipeline.components.items()
            if isinstance(part, torch.nn.Module)
        }
        for part in self._empty.values():
            _fill_with_placeholders(part, device.torch)
        self._loaded: set[str] = set()

    def need(self, names: Collection[str]) -> bool:
        """Have these parts in memory and no others. Returns False if that was so already.

        Raises the errors of loading; what was loaded before is freed then, too.
        """
        wanted = self._empty.keys() & set(names)
        if wanted == self._loaded:
            return False
        self._free(self._loaded - wanted)
        for name in sorted(wanted - self._loaded):
            setattr(self._pipeline, name, self._load(name).to(self._device.torch))
            self._loaded.add(name)
        return True

    def _free(self, names: Collection[str]) -> None:
        for name in names:
            setattr(self._pipeline, name, self._empty[name])
            self._loaded.discard(name)
        if names:
            self._device.release()


def _fill_with_placeholders(module: torch.nn.Module, device: torch.device) -> None:
    """Replace tensors on the meta device by one value for all of their elements."""
    for each in module.modules():
        for name, tensor in (
            *each.named_parameters(recurse=False),
            *each.named_buffers(recurse=False),
        ):
            value = math.nan if tensor.is_floating_point() else 0
            spread = torch.full((), value, dtype=tensor.dtype, device=device).expand(tensor.shape)
            if name in each._parameters:
                spread = torch.nn.Parameter(spread, requires_grad=False)
            setattr(each, name, spread)


def is_placeholder(tensor: torch.Tensor) -> bool:
    """True for a tensor of a part that isn't loaded: all of its elements are one in memory."""
    return tensor.numel() > 1 and not any(tensor.stride())
