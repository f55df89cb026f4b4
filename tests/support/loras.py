"""LoRA files with random values, in the formats of several tools."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from sdtui.engine.lora.other_names import names_in_unets

Layer = tuple[str, str]
"""A layer of a pipeline: component and path."""


def trained_layers(pipeline: Any, *components: str) -> list[Layer]:
    """Return the layers that kohya's scripts train: attention and feed-forward layers."""
    return [
        (component, path)
        for component in components
        for path, module in getattr(pipeline, component).named_modules()
        if isinstance(module, torch.nn.Linear | torch.nn.Conv2d)
        and any(part in path for part in ("attn", "ff.", ".mlp.", "proj_in", "proj_out"))
    ]


def weight_of(pipeline: Any, layer: Layer) -> torch.Tensor:
    component, path = layer
    weight: torch.Tensor = getattr(pipeline, component).get_submodule(path).weight
    return weight


@dataclass(frozen=True)
class Trained:
    """A LoRA of one layer, without a tool's names."""

    up: torch.Tensor
    down: torch.Tensor

    def change(self, alpha: float | None = None) -> torch.Tensor:
        """Return the change of the weight by the formula, in fp64."""
        whole = self.up.double().flatten(1) @ self.down.double().flatten(1)
        return whole if alpha is None else whole * alpha / len(self.down)


def random_lora(
    pipeline: Any, layers: Iterable[Layer], rank: int = 4, seed: int = 0
) -> dict[Layer, Trained]:
    """Return values for each layer, which change its weights by about a tenth."""
    generator = torch.Generator().manual_seed(seed)
    values = {}
    for layer in layers:
        rows, columns, *kernel = weight_of(pipeline, layer).shape
        down = torch.randn(rank, columns, *kernel, generator=generator)
        up = torch.randn(rows, rank, *[1] * len(kernel), generator=generator) * 0.02
        values[layer] = Trained(up, down)
    return values


Naming = Callable[[Any, Layer], str]
"""Returns a tool's name of a layer."""


def kohya(pipeline: Any, layer: Layer) -> str:
    return f"{_kohya_prefix(pipeline, layer[0])}_{_with_text_model(layer).replace('.', '_')}"


def kohya_sgm(pipeline: Any, layer: Layer) -> str:
    component, path = layer
    if component != "unet":
        return kohya(pipeline, layer)
    paths = [name for name, _ in pipeline.unet.named_modules()]
    sgm = next(name for name, (found,) in names_in_unets(paths).items() if found == path)
    return f"lora_unet_{sgm.replace('.', '_')}"


def diffusers(_: Any, layer: Layer) -> str:
    return f"{layer[0]}.{_with_text_model(layer)}"


def diffusers_at_first(_: Any, layer: Layer) -> str:
    """Before 2023: attention processors held the LoRAs."""
    path = layer[1].replace("to_out.0", "to_out")
    parent, _, name = path.rpartition(".")
    return f"unet.{parent}.processor.{name}"


def peft(_: Any, layer: Layer) -> str:
    return f"base_model.model.{layer[1]}"


def simpletuner(_: Any, layer: Layer) -> str:
    return f"lycoris_{layer[1].replace('.', '_')}"


def onetrainer(_: Any, layer: Layer) -> str:
    return f"lora_transformer_{layer[1].replace('.', '_')}"


def ai_toolkit(_: Any, layer: Layer) -> str:
    return f"diffusion_model.{layer[1]}"


def _kohya_prefix(pipeline: Any, component: str) -> str:
    if component in ("unet", "transformer"):
        return "lora_unet"
    is_xl = hasattr(pipeline, "text_encoder_2")
    number = component.removeprefix("text_encoder_").removeprefix("text_encoder") or "1"
    return f"lora_te{number}" if is_xl else "lora_te"


def _with_text_model(layer: Layer) -> str:
    """Return the path with the part that transformers left out in version 5."""
    component, path = layer
    is_clip = component.startswith("text_encoder") and not path.startswith("text_model.")
    return f"text_model.{path}" if is_clip and path.startswith("encoder.") else path


LORA_DOWN = (".lora_down.weight", ".lora_up.weight")
LORA_AB = (".lora_A.weight", ".lora_B.weight")
LORA_OLD = (".lora.down.weight", ".lora.up.weight")
LORA_PROCESSOR = ("_lora.down.weight", "_lora.up.weight")
LORA_LINEAR = (".lora_linear_layer.down.weight", ".lora_linear_layer.up.weight")


def tensors_of(
    pipeline: Any,
    values: Mapping[Layer, Trained],
    naming: Naming = kohya,
    suffixes: tuple[str, str] = LORA_DOWN,
    alpha: float | None = None,
) -> dict[str, torch.Tensor]:
    """Return the tensors of a file in a tool's format."""
    tensors: dict[str, torch.Tensor] = {}
    for layer, value in values.items():
        name = naming(pipeline, layer)
        tensors[name + suffixes[0]], tensors[name + suffixes[1]] = value.down, value.up
        if alpha is not None:
            tensors[f"{name}.alpha"] = torch.tensor(alpha)
    return tensors


def save_lora(
    file: Path, tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str] | None = None
) -> Path:
    """Write a file with its folder."""
    file.parent.mkdir(parents=True, exist_ok=True)
    contiguous = {name: tensor.contiguous() for name, tensor in tensors.items()}
    save_file(contiguous, file, dict(metadata or {}))
    return file
