"""The ControlNets that are loaded with a model, and where their weights are."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from accelerate import cpu_offload
from accelerate.hooks import remove_hook_from_submodules
from torch import nn

from sdtui.core.enums import MemoryMode
from sdtui.engine.control.loading import load_net
from sdtui.engine.control.maps import ControlMaps
from sdtui.engine.device import Device
from sdtui.models.controlnets import ControlNet

_LAYERWISE = (MemoryMode.GROUP_OFFLOAD, MemoryMode.SEQUENTIAL_OFFLOAD)
"""Modes in which there is no room for all weights of the denoiser, nor of a net."""


@dataclass
class ControlNets:
    """Nets by their paths, in main memory or on the device, and the last control maps. They stay
    between runs."""

    maps: ControlMaps = field(default_factory=ControlMaps)
    _nets: dict[Path, nn.Module] = field(default_factory=dict)

    def use(self, nets: Collection[ControlNet], unet: Any, dtype: torch.dtype) -> None:
        """Load nets that aren't there, and drop all others first. Raises ModelDamagedError."""
        self.keep_only({net.path for net in nets})
        for net in nets:
            if net.path not in self._nets:
                self._nets[net.path] = load_net(net, unet, dtype)

    @property
    def loaded(self) -> tuple[nn.Module, ...]:
        """All of them."""
        return tuple(self._nets.values())

    def __getitem__(self, path: Path) -> Any:
        return self._nets[path]

    def keep_only(self, paths: Collection[Path]) -> None:
        """Drop other nets."""
        self._nets = {path: net for path, net in self._nets.items() if path in paths}

    def rest(self, device: Device) -> None:
        """Make room while no run uses the nets: they go into main memory, and are dropped if they
        take more than what is free of it."""
        for net in self._nets.values():
            net.to("cpu")
        held = sum(_bytes(net) for net in self._nets.values())
        if not device.is_accelerator and held > device.memory().free:
            self._nets.clear()

    @contextmanager
    def on_device(
        self, paths: Collection[Path], device: torch.device, mode: MemoryMode, *, layerwise: bool
    ) -> Iterator[None]:
        """Let nets compute on a device: as a whole, or layer by layer as the memory mode of the
        model has it or if `layerwise` is true. In full mode they stay there."""
        with ExitStack() as stack:
            for path in dict.fromkeys(paths):
                net = self._nets[path]
                if device.type != "cpu" and (layerwise or mode in _LAYERWISE):
                    stack.enter_context(_offloaded(net, device))
                else:
                    net.to(device)
                    if mode is not MemoryMode.FULL:
                        stack.callback(net.to, "cpu")
            yield


@contextmanager
def _offloaded(net: nn.Module, device: torch.device) -> Iterator[None]:
    net.to("cpu")
    cpu_offload(net, device)
    try:
        yield
    finally:
        remove_hook_from_submodules(net)
        net.to("cpu")


def _bytes(net: nn.Module) -> int:
    return sum(each.numel() * each.element_size() for each in net.parameters())
