"""A small Flux transformer, to measure the errors of number formats with."""

from __future__ import annotations

from typing import Any

import torch
from diffusers import FluxTransformer2DModel


def make_flux_transformer() -> Any:
    """A Flux transformer of one block of each kind, with random weights."""
    torch.manual_seed(0)
    model: Any = FluxTransformer2DModel(
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=32,
        num_attention_heads=8,
        joint_attention_dim=256,
        pooled_projection_dim=64,
        axes_dims_rope=(8, 12, 12),
    )
    return model.eval()


def flux_output(model: Any) -> torch.Tensor:
    """What a Flux transformer predicts from fixed random input."""
    generator = torch.Generator().manual_seed(0)
    shapes = {"hidden_states": (1, 16, 64), "encoder_hidden_states": (1, 8, 256)}
    inputs = {
        name: torch.randn(shape, generator=generator)
        for name, shape in {**shapes, "pooled_projections": (1, 64)}.items()
    }
    ids = {"img_ids": torch.zeros(16, 3), "txt_ids": torch.zeros(8, 3)}
    with torch.no_grad():
        predicted: torch.Tensor = model(**inputs, **ids, timestep=torch.tensor([0.5])).sample
    return predicted
