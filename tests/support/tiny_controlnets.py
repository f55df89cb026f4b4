"""Small ControlNets with random weights for the tiny models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from diffusers import ControlNetModel, ControlNetUnionModel, UNet2DConditionModel
from safetensors.torch import save_file

_HINT = (4, 8, 8, 16)
"""Channels of the layers that read the control picture, which halve it three times."""


def make_controlnet(model: Path, seed: int = 1) -> Any:
    """Return a net for the tiny model in a folder."""
    unet = UNet2DConditionModel.from_pretrained(model / "unet", local_files_only=True)
    torch.manual_seed(seed)
    return with_random_zeros(
        ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=_HINT)
    )


def make_union(model: Path, seed: int = 1) -> Any:
    """Return a net of six types for the tiny SDXL model in a folder."""
    config = UNet2DConditionModel.load_config(model / "unet", local_files_only=True)
    names = (
        *("in_channels", "down_block_types", "block_out_channels", "layers_per_block"),
        *("cross_attention_dim", "attention_head_dim", "use_linear_projection"),
        *("addition_embed_type", "addition_time_embed_dim", "norm_num_groups"),
        *("projection_class_embeddings_input_dim", "transformer_layers_per_block"),
    )
    torch.manual_seed(seed)
    net = ControlNetUnionModel(
        **{name: config[name] for name in names},
        conditioning_embedding_out_channels=_HINT,
        num_trans_channel=16,
        num_trans_head=2,
        num_proj_channel=16,
    )
    return with_random_zeros(net)


def with_random_zeros(net: Any, spread: float = 0.1) -> Any:
    """Return a net with random values in the layers that begin with zeros."""
    with torch.no_grad():
        for parameter in net.parameters():
            if not parameter.any():
                parameter.normal_(std=spread)
    return net.eval()


def save_as_file(net: Any, path: Path) -> Path:
    """Save a net as a single file in diffusers' layout."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: each.contiguous() for name, each in net.state_dict().items()}, path)
    return path
