"""The LoRA that is trained: PEFT's adapters in a pipeline's U-Net and text encoders."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from diffusers.models.downsampling import Downsample2D
from diffusers.models.resnet import ResnetBlock2D
from diffusers.models.transformers.transformer_2d import Transformer2DModel
from diffusers.models.upsampling import Upsample2D
from peft import LoraConfig, inject_adapter_in_model
from peft.tuners.lora import LoraLayer

from sdtui.engine.lora.layers import TEXT_ENCODERS
from sdtui.requests.training.network import LoraTargets
from sdtui.requests.training.request import TrainingRequest

UNET = "unet"
_ADAPTER = "default"
"""PEFT's name of the adapter."""
_ATTENTION = ("to_q", "to_k", "to_v", "to_out.0")
_BLOCKS = {
    # As kohya's scripts (networks/lora.py) choose them.
    LoraTargets.ATTENTION: (Transformer2DModel,),
    LoraTargets.LINEAR: (Transformer2DModel,),
    LoraTargets.CONV: (Transformer2DModel, ResnetBlock2D, Downsample2D, Upsample2D),
}
_OF_TEXT_ENCODERS = ("q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2")


def target_layers(unet: torch.nn.Module, targets: LoraTargets) -> list[str]:
    """Return the paths of the layers of a U-Net that a LoRA changes."""
    found: dict[str, None] = {}
    for block_path, block in unet.named_modules():
        if not isinstance(block, _BLOCKS[targets]):
            continue
        for path, layer in block.named_modules():
            is_wanted = targets is not LoraTargets.ATTENTION or path.endswith(_ATTENTION)
            if isinstance(layer, torch.nn.Linear | torch.nn.Conv2d) and is_wanted:
                found[f"{block_path}.{path}"] = None
    return list(found)


class TrainedNetwork:
    """The LoRA of a pipeline while it is trained. Its weights are float32; all others are
    frozen."""

    def __init__(self, pipeline: Any, request: TrainingRequest) -> None:
        """Put the adapters into the pipeline, which draw their first weights from torch's global
        generator."""
        self._modules: dict[str, torch.nn.Module] = {UNET: pipeline.unet}
        if request.network.train_text_encoder:
            self._modules |= {
                name: module
                for name in TEXT_ENCODERS
                if (module := getattr(pipeline, name, None)) is not None
            }
        for component in pipeline.components.values():
            if isinstance(component, torch.nn.Module):
                component.requires_grad_(requires_grad=False)
        for name, module in self._modules.items():
            wanted = list(_OF_TEXT_ENCODERS)
            if name == UNET:
                wanted = target_layers(module, request.network.targets)
            config = LoraConfig(
                r=request.network.rank,
                lora_alpha=request.alpha,  # type: ignore[arg-type]  # fractions are fine
                target_modules=wanted,
            )
            inject_adapter_in_model(config, module, _ADAPTER)
            for parameter in _trainable(module):
                parameter.data = parameter.data.float()

    @property
    def size(self) -> int:
        """Number of values that are trained."""
        return sum(value.numel() for _, value in self._named())

    @property
    def text_encoders(self) -> list[torch.nn.Module]:
        """Those that are trained."""
        return [module for name, module in self._modules.items() if name != UNET]

    def parameters(self, *, of_text_encoders: bool) -> list[torch.nn.Parameter]:
        """Return the weights of the LoRA's U-Net, or those of its text encoders."""
        return [
            parameter
            for name, module in self._modules.items()
            if (name != UNET) is of_text_encoders
            for parameter in _trainable(module)
        ]

    def use_checkpointing(self, *, is_on: bool) -> None:
        """Let layers be computed a second time for the gradients, or keep what these need."""
        for name, module in self._modules.items():
            if name == UNET:
                change = "enable" if is_on else "disable"
                getattr(module, f"{change}_gradient_checkpointing")()
            else:
                _use_checkpointing(module, is_on=is_on)

    def tensors(self) -> dict[str, torch.Tensor]:
        """Return copies of all weights in main memory: `COMPONENT.PATH.down` (r x in …) and `.up`
        (out x r …)."""
        return {name: value.detach().cpu().clone() for name, value in self._named()}

    @torch.no_grad()
    def restore(self, tensors: Mapping[str, torch.Tensor]) -> None:
        """Take the weights that `tensors` has returned. Raises KeyError if one is missing, and
        RuntimeError if its shape is another."""
        for name, parameter in self._named():
            parameter.copy_(tensors[name])

    def _named(self) -> Iterator[tuple[str, torch.Tensor]]:
        for component, module in self._modules.items():
            for path, layer in module.named_modules():
                if isinstance(layer, LoraLayer):
                    yield f"{component}.{path}.down", _weight(layer.lora_A)
                    yield f"{component}.{path}.up", _weight(layer.lora_B)


def _use_checkpointing(text_encoder: Any, *, is_on: bool) -> None:
    # The name of newer versions of transformers, and of older ones.
    names = ("activation_checkpointing", "gradient_checkpointing")
    name = next(each for each in names if hasattr(text_encoder, f"{each}_enable"))
    if is_on:
        getattr(text_encoder, f"{name}_enable")({"use_reentrant": False})
    else:
        getattr(text_encoder, f"{name}_disable")()
    text_encoder.train(is_on)  # in which its layers heed it; CLIP has no dropout


def _weight(factors: torch.nn.ModuleDict) -> torch.Tensor:
    weight: torch.Tensor = factors[_ADAPTER].weight  # type: ignore[assignment]
    return weight


def _trainable(module: torch.nn.Module) -> Iterator[torch.nn.Parameter]:
    return (each for each in module.parameters() if each.requires_grad)
