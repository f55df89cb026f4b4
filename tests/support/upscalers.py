"""Tiny upscalers with random weights, of spandrel's architectures."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save_file


def save_upscaler(path: Path, model: torch.nn.Module) -> Path:
    """Save the weights of a model as a safetensors file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    weights = {name: each.clone().contiguous() for name, each in model.state_dict().items()}
    save_file(weights, path)
    return path


def tiny_esrgan(scale: int = 4) -> torch.nn.Module:
    """Return an ESRGAN of two blocks and eight filters."""
    return esrgan(blocks=2, filters=8, scale=scale)


def esrgan(*, blocks: int, filters: int, scale: int = 4) -> torch.nn.Module:
    """Return an ESRGAN with random weights."""
    from sdtui.engine.upscaling.spandrel_import import import_spandrel

    import_spandrel()
    from spandrel.architectures.ESRGAN import ESRGAN

    torch.manual_seed(1)
    model: torch.nn.Module = ESRGAN(num_filters=filters, num_blocks=blocks, scale=scale)
    return model
