"""What a module computes with: whether it has changed, and what tells it apart on disk."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

State = tuple[tuple[int, int], ...]
"""Identity and version of each tensor: torch counts the changes in place, such as those of
LoRAs."""

_PLAIN_ATTENTION = ("AttnProcessor", "AttnProcessor2_0")
_CIRCULAR = "circular"


class Watched:
    """A module whose weights and layers may be changed in place."""

    def __init__(self, module: nn.Module) -> None:
        self._module = module
        self._tensors = [tensor for _, tensor in _named_tensors(module)]
        self._layers = [each for each in module.modules() if each is not module]
        self._convolutions = [each for each in self._layers if isinstance(each, nn.Conv2d)]
        self._attentions = [each for each in self._layers if hasattr(each, "processor")]

    def state(self) -> State:
        """Return what changes when a weight does."""
        return tuple((id(each), each._version) for each in self._tensors)

    def why_not(self) -> str | None:
        """Return what the module computes besides its own layers; None if there is nothing."""
        if any(each._forward_hooks for each in self._layers):
            return "LoRAs of quantized layers are computed beside them"
        if any(each.padding_mode == _CIRCULAR for each in self._convolutions):
            return "seamless tiling changes the edges of convolutions"
        processors: Iterator[Any] = (each.processor for each in self._attentions)
        if any(type(each).__name__ not in _PLAIN_ATTENTION for each in processors):
            return "IP-Adapters change the attention"
        return None

    def digest(self) -> str:
        """Return the SHA-256 of the config and of all weights, a second for 2 GB: whatever has
        changed them, LoRAs or another VAE, they are told apart."""
        found = hashlib.sha256(repr(sorted(_config(self._module).items())).encode())
        for name, tensor in _named_tensors(self._module):
            found.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
            raw = tensor.detach().contiguous().view(-1).view(torch.uint8)
            found.update(raw.numpy().data)
        return found.hexdigest()


def _named_tensors(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    yield from module.named_parameters()
    yield from module.named_buffers()


def _config(module: nn.Module) -> dict[str, object]:
    config = getattr(module, "config", {})
    return {name: value for name, value in dict(config).items() if not name.startswith("_")}
