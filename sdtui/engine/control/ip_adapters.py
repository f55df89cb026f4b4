"""IP-Adapters: attention to a picture beside that to the prompt. The layers are diffusers' own;
they are put into the UNet for a batch, and its own ones back afterwards."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from diffusers.models.embeddings import MultiIPAdapterImageProjection
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from sdtui.core.errors import ModelDamagedError
from sdtui.models.ip_adapters import IPAdapter

_KIND = "ip_image_proj"
"""What diffusers calls embeddings of pictures."""
_PARTS = ("image_proj", "ip_adapter")


@dataclass(frozen=True)
class _Layers:
    """The layers of several adapters together."""

    processors: dict[str, Any]
    """By the names of the UNet's attentions."""
    projection: nn.Module


@dataclass
class IPAdapters:
    """The adapters of the last run, and the embeddings of the last pictures."""

    embeddings: dict[object, tuple[Tensor, Tensor]] = field(default_factory=dict)
    """A picture's and that of none, by the hash of the picture and the encoder."""
    _paths: tuple[Path, ...] = ()
    _layers: _Layers | None = None

    def use(self, adapters: Sequence[IPAdapter], unet: Any) -> None:
        """Load adapters, unless they are loaded. Raises ModelDamagedError."""
        paths = tuple(adapter.path for adapter in adapters)
        if paths != self._paths or self._layers is None:
            self._layers = None
            self._layers = _load(adapters, unet)
            self._paths = paths

    def rest(self) -> None:
        """Keep the layers in main memory."""
        if self._layers is not None:
            _move(self._layers, torch.device("cpu"))

    def keep_embeddings(self, keys: Collection[object]) -> None:
        """Drop the embeddings of other pictures."""
        self.embeddings = {key: each for key, each in self.embeddings.items() if key in keys}

    @contextmanager
    def inserted(
        self,
        unet: Any,
        device: torch.device,
        weights: Callable[[int], list[float]],
    ) -> Iterator[None]:
        """Put the layers into a UNet. `weights` returns the weight of each adapter in a call of the
        UNet, by its number from 0."""
        layers = self._layers
        assert layers is not None
        _move(layers, device, unet.dtype)
        processors, before = dict(unet.attn_processors), unet.encoder_hid_proj
        kind = unet.config.encoder_hid_dim_type
        call = 0

        def set_weights(*_: Any) -> None:
            nonlocal call
            for processor in layers.processors.values():
                if hasattr(processor, "scale"):
                    processor.scale = weights(call)
            call += 1

        handle = unet.register_forward_pre_hook(set_weights)
        try:
            unet.set_attn_processor({**processors, **layers.processors})
            unet.encoder_hid_proj = layers.projection
            unet.config.encoder_hid_dim_type = _KIND
            yield
        finally:
            handle.remove()
            unet.encoder_hid_proj = before  # first, as some have attentions of their own
            unet.set_attn_processor(processors)
            unet.config.encoder_hid_dim_type = kind


def _load(adapters: Sequence[IPAdapter], unet: Any) -> _Layers:
    states = [_state(adapter) for adapter in adapters]
    attentions = sum(name.endswith("attn2.processor") for name in unet.attn_processors)
    for adapter in adapters:
        if adapter.layers != attentions:
            raise ModelDamagedError(
                f"the IP-Adapter {adapter.name} doesn't fit this model: it has {adapter.layers} "
                f"layers, and the model {attentions}",
                "Use another IP-Adapter, or another model",
            )
    try:
        processors = unet._convert_ip_adapter_attn_to_diffusers(states, low_cpu_mem_usage=False)
        projections = [
            unet._convert_ip_adapter_image_proj_to_diffusers(
                state["image_proj"], low_cpu_mem_usage=False
            )
            for state in states
        ]
    except (KeyError, RuntimeError, IndexError) as error:
        names = " and ".join(adapter.name for adapter in adapters)
        raise ModelDamagedError(
            f"the IP-Adapter {names} can't be used: {str(error).splitlines()[0][:200]}",
            "Use another IP-Adapter",
        ) from error
    own = {name: each for name, each in processors.items() if isinstance(each, nn.Module)}
    layers = _Layers(own, MultiIPAdapterImageProjection(projections))
    for module in (*own.values(), layers.projection):
        module.eval().requires_grad_(False)
    return layers


def _state(adapter: IPAdapter) -> dict[str, dict[str, Tensor]]:
    """Return an adapter's tensors by its parts. Raises ModelDamagedError."""
    try:
        tensors = load_file(adapter.path)
    except (OSError, SafetensorError) as error:
        raise ModelDamagedError(
            f"{adapter.path} can't be read: {error}", "Copy it again"
        ) from error
    state: dict[str, dict[str, Tensor]] = {part: {} for part in _PARTS}
    for name, tensor in tensors.items():
        part, _, rest = name.partition(".")
        if part in state:
            state[part][rest] = tensor.float()
    return state


def _move(layers: _Layers, device: torch.device, dtype: torch.dtype | None = None) -> None:
    for module in (*layers.processors.values(), layers.projection):
        module.to(device, dtype)
