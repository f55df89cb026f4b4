"""Measure how long another set of LoRAs takes, at the size of SD 1.5.

    python -m tests.benchmarks.lora_switch [--rank 32] [--dtype float32] [--loras 1]

The UNet has random weights, and the LoRAs change the 192 layers that kohya's scripts train. It
prints the seconds of the first set, of the same set again, of others, and of none.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import save_file

from sdtui.core.prompt_tags import LoraUse
from sdtui.engine.lora.active_set import LoraSet, OpenedLora


def make_unet(dtype: torch.dtype) -> torch.nn.Module:
    """Return a UNet of SD 1.5's size, of which only what LoRAs change has values."""
    with torch.device("meta"):
        unet: Any = UNet2DConditionModel(cross_attention_dim=768)
    unet.to_empty(device="cpu")
    torch.nn.Module.to(unet, dtype)
    for name in trained_layers(unet):
        weight = unet.get_submodule(name).weight
        assert isinstance(weight, torch.Tensor)
        torch.nn.init.normal_(weight, std=0.02)
    module: torch.nn.Module = unet.requires_grad_(False)
    return module


def trained_layers(unet: torch.nn.Module) -> list[str]:
    """Return the layers that kohya's scripts train: those of the transformers."""
    return [
        name
        for name, module in unet.named_modules()
        if ".attentions." in name and isinstance(module, torch.nn.Linear | torch.nn.Conv2d)
    ]


def save_lora(unet: torch.nn.Module, file: Path, rank: int, seed: int) -> Path:
    """Write a LoRA with random values in kohya's format."""
    generator = torch.Generator().manual_seed(seed)
    tensors = {}
    for name in trained_layers(unet):
        weight = unet.get_submodule(name).weight
        assert isinstance(weight, torch.Tensor)
        key = f"lora_unet_{name.replace('.', '_')}"
        ends = [1] * (weight.ndim - 2)
        down = torch.randn(rank, weight.shape[1], *ends, generator=generator).half()
        tensors[f"{key}.lora_down.weight"] = down
        up = torch.randn(weight.shape[0], rank, *ends, generator=generator).half()
        tensors[f"{key}.lora_up.weight"] = up * 0.01
        tensors[f"{key}.alpha"] = torch.tensor(float(rank))
    save_file(tensors, file)
    return file


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rank", type=int, default=32)
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--loras", type=int, default=1)
    options = parser.parse_args()
    unet = make_unet(getattr(torch, options.dtype))
    pipeline = SimpleNamespace(unet=unet)
    with tempfile.TemporaryDirectory() as folder:
        files = [
            save_lora(unet, Path(folder, f"{seed}.safetensors"), options.rank, seed)
            for seed in range(2 * options.loras)
        ]
        opened = [OpenedLora(LoraUse(file.stem), file, "sd1", file.stem, "") for file in files]
        first, second = opened[: options.loras], opened[options.loras :]
        active = LoraSet()
        steps = {
            "first": first,
            "same": first,
            "other": second,
            "back": first,
            "none": [],
            "again": second,
        }
        for name, loras in steps.items():
            started = time.perf_counter()
            active.use(pipeline, tuple(loras))
            sys.stdout.write(f"{name:6} {time.perf_counter() - started:7.3f} s\n")
        layers = len(trained_layers(unet))
        sys.stdout.write(f"{layers} layers, rank {options.rank}, {options.dtype}\n")


if __name__ == "__main__":
    main()
