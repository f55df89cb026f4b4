"""Changing the VAE of a loaded model."""

from __future__ import annotations

from pathlib import Path

import torch

from sdtui.engine.loaded import LoadedModel
from sdtui.engine.lora.storage import stored_tensors
from sdtui.engine.stages.load import load_vae


def use_vae(model: LoadedModel, path: Path | None) -> None:
    """Give a loaded model the weights of another VAE; None = its own. They are copied into the
    model's VAE in place, wherever its memory mode keeps them. Raises ModelDamagedError, and nothing
    is changed then."""
    if model.vae_file == path:
        return
    source = load_vae(model.description, path, model.vae.dtype)
    with torch.no_grad():
        for name, module in model.vae.named_modules():
            other = source.get_submodule(name)
            for key, _ in module.named_parameters(recurse=False):
                for tensor in stored_tensors(module, key):
                    tensor.copy_(getattr(other, key))
            for key, buffer in module.named_buffers(recurse=False):
                buffer.copy_(getattr(other, key))  # FLUX.2's normalization of latents
    model.vae_file = path
