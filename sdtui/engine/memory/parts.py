"""The parts of a model that are in memory only while a stage needs them."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from typing import Any

import torch

from sdtui.engine.device import Device

LoadPart = Callable[[str], torch.nn.Module]
"""Loads the component of a name into main memory."""
OnPart = Callable[[str, int, int], None]
"""Called before each part is loaded: its name, its number (from 1), and the total."""


def on_no_part(_: str, __: int, ___: int) -> None:
    """Do nothing."""


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

    def lacks(self, names: Collection[str]) -> bool:
        """Return whether one of these parts isn't in memory."""
        return bool(self._empty.keys() & set(names) - self._loaded)

    def need(self, names: Collection[str], on_part: OnPart = on_no_part) -> bool:
        """Have these parts in memory and no others. Returns False if that was so already.

        Raises the errors of loading and of `on_part`; what was loaded before stays.
        """
        wanted = self._empty.keys() & set(names)
        if wanted == self._loaded:
            return False
        self._free(self._loaded - wanted)
        missing = sorted(wanted - self._loaded)
        for number, name in enumerate(missing, start=1):
            on_part(name, number, len(missing))
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
