"""Load one of CLIP's image encoders, and encode pictures for IP-Adapters."""

from __future__ import annotations

import math
import re
from typing import Any

import torch
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor
from transformers import CLIPImageProcessor, CLIPVisionConfig, CLIPVisionModelWithProjection

from sdtui.core.errors import ModelDamagedError
from sdtui.models.component_files import read_json
from sdtui.models.ip_adapters import ImageEncoder

_HEADS = 16
"""Of ViT-L, ViT-H and ViT-bigG."""
_QUICK = 1024
"""The width of OpenAI's ViT-L, which has another activation than OpenCLIP's encoders."""
_LAYER = re.compile(r"vision_model\.encoder\.layers\.(\d+)\.")


def load_image_encoder(encoder: ImageEncoder, dtype: torch.dtype, device: torch.device) -> Any:
    """Load an encoder onto a device. Raises ModelDamagedError."""
    tensors = {name: each for file in encoder.files for name, each in load_file(file).items()}
    if encoder.path.is_dir():
        config = CLIPVisionConfig(**read_json(encoder.path / "config.json"))
    else:
        config = _config(tensors)
    with torch.device("meta"):
        module = CLIPVisionModelWithProjection(config)
    wanted = module.state_dict()
    missing = sorted(wanted.keys() - tensors.keys())
    if missing or any(tensors[name].shape != each.shape for name, each in wanted.items()):
        which = f"lacks {missing[0]}" if missing else "has other shapes than its config"
        raise ModelDamagedError(
            f"the image encoder {encoder.path} can't be used: it {which}", "Use another one"
        )
    weights = {name: tensors[name].to(device, dtype) for name in wanted}
    module.load_state_dict(weights, assign=True)
    ids = torch.arange(wanted["vision_model.embeddings.position_embedding.weight"].shape[0])
    module.vision_model.embeddings.position_ids = ids[None].to(device)
    return module.eval().requires_grad_(False)


def _config(tensors: dict[str, Tensor]) -> CLIPVisionConfig:
    """Return the config that the shapes of an encoder's weights show."""
    prefix = "vision_model.embeddings"
    width, _, patch, _ = tensors[f"{prefix}.patch_embedding.weight"].shape
    patches = tensors[f"{prefix}.position_embedding.weight"].shape[0] - 1
    layers = {int(found[1]) for name in tensors if (found := _LAYER.match(name))}
    first = "vision_model.encoder.layers.0.mlp.fc1.weight"
    return CLIPVisionConfig(
        hidden_size=width,
        intermediate_size=tensors[first].shape[0],
        num_hidden_layers=len(layers),
        num_attention_heads=_HEADS,
        image_size=math.isqrt(patches) * patch,
        patch_size=patch,
        projection_dim=tensors["visual_projection.weight"].shape[0],
        hidden_act="quick_gelu" if width == _QUICK else "gelu",
    )


def encode(module: Any, image: Image.Image, *, hidden_states: bool) -> tuple[Tensor, Tensor]:
    """Return a picture's embedding and that of none, as diffusers' pipelines compute them: each
    1 x 1 x values, or 1 x 1 x patches x values of the hidden states before the last."""
    side = module.config.image_size
    processor = CLIPImageProcessor(size=side, crop_size=side)
    pixels = processor(image, return_tensors="pt").pixel_values
    pixels = pixels.to(module.device, module.dtype)
    with torch.no_grad():
        if not hidden_states:
            embeds = module(pixels).image_embeds
            return embeds[None], torch.zeros_like(embeds)[None]
        states = [
            module(each, output_hidden_states=True).hidden_states[-2]
            for each in (pixels, torch.zeros_like(pixels))
        ]
    return states[0][None], states[1][None]
