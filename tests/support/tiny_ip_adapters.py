"""Small IP-Adapters with random weights for the tiny models, and an image encoder for them."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import save_file
from torch import Tensor
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

_HIDDEN, _PROJECTED, _INNER, _QUERIES = 32, 24, 64, 5


def make_image_encoder(folder: Path) -> Path:
    """Save an image encoder."""
    torch.manual_seed(5)
    config = CLIPVisionConfig(
        hidden_size=_HIDDEN,
        intermediate_size=37,
        num_hidden_layers=2,
        num_attention_heads=4,
        image_size=32,
        patch_size=8,
        projection_dim=_PROJECTED,
    )
    CLIPVisionModelWithProjection(config).save_pretrained(folder)
    return folder


def make_ip_adapter(model: Path, path: Path, *, is_plus: bool = False, seed: int = 1) -> Path:
    """Save an adapter for the tiny model in a folder."""
    torch.manual_seed(seed)
    unet = UNet2DConditionModel.from_pretrained(model / "unet", local_files_only=True)
    width = unet.config.cross_attention_dim
    projection = _plus_projection(width) if is_plus else _projection(width)
    tensors = {f"image_proj.{name}": each for name, each in projection.items()}
    names = [name for name in unet.attn_processors if name.endswith("attn2.processor")]
    for number, name in enumerate(names):
        attention = unet.get_submodule(name.removesuffix(".processor"))
        for letter in "kv":
            shape = getattr(attention, f"to_{letter}").weight.shape
            key = f"ip_adapter.{2 * number + 1}.to_{letter}_ip.weight"
            tensors[key] = torch.randn(shape) * 0.3
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, path)
    return path


def _projection(width: int) -> dict[str, Tensor]:
    return {
        "proj.weight": torch.randn(4 * width, _PROJECTED),
        "proj.bias": torch.randn(4 * width),
        "norm.weight": torch.ones(width),
        "norm.bias": torch.zeros(width),
    }


def _plus_projection(width: int) -> dict[str, Tensor]:
    tensors = {
        "latents": torch.randn(1, _QUERIES, _INNER),
        "proj_in.weight": torch.randn(_INNER, _HIDDEN) * 0.2,
        "proj_in.bias": torch.zeros(_INNER),
        "proj_out.weight": torch.randn(width, _INNER) * 0.2,
        "proj_out.bias": torch.zeros(width),
        "norm_out.weight": torch.ones(width),
        "norm_out.bias": torch.zeros(width),
    }
    for layer in range(4):
        attention, forward = f"layers.{layer}.0", f"layers.{layer}.1"
        for norm in (f"{attention}.norm1", f"{attention}.norm2", f"{forward}.0"):
            tensors |= {f"{norm}.weight": torch.ones(_INNER), f"{norm}.bias": torch.zeros(_INNER)}
        tensors |= {
            f"{attention}.to_q.weight": torch.randn(64, _INNER) * 0.2,
            f"{attention}.to_kv.weight": torch.randn(128, _INNER) * 0.2,
            f"{attention}.to_out.weight": torch.randn(_INNER, 64) * 0.2,
            f"{forward}.1.weight": torch.randn(4 * _INNER, _INNER) * 0.2,
            f"{forward}.3.weight": torch.randn(_INNER, 4 * _INNER) * 0.2,
        }
    return tensors
