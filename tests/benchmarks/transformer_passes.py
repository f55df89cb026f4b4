"""Passes of transformers of today's families: a few layers of the real sizes, and their inputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

Inputs = Callable[["Pass"], dict[str, Any]]


@dataclass(frozen=True)
class Pass:
    """The size of a pass."""

    latent: int
    """Latents a side, of 8 pixels."""
    text: int
    """Tokens of the prompt."""
    rows: int
    dtype: torch.dtype

    @property
    def tokens(self) -> int:
        """Tokens of a picture, of 2 x 2 latents."""
        return (self.latent // 2) ** 2

    def noise(self, *shape: int) -> torch.Tensor:
        """Return random values with a row for each picture."""
        return torch.randn(self.rows, *shape, dtype=self.dtype)

    @property
    def time(self) -> torch.Tensor:
        """Return a time for each row."""
        return torch.full((self.rows,), 0.5, dtype=self.dtype)


def _packed(size: Pass, text: int, channels: int = 64, axes: int = 3) -> dict[str, Any]:
    return {
        "hidden_states": size.noise(size.tokens, channels),
        "encoder_hidden_states": size.noise(size.text, text),
        "timestep": size.time,
        "img_ids": torch.zeros(size.tokens, axes),
        "txt_ids": torch.zeros(size.text, axes),
    }


def _flux(size: Pass) -> dict[str, Any]:
    return {**_packed(size, 4096), "pooled_projections": size.noise(768), "guidance": size.time}


def _qwen(size: Pass) -> dict[str, Any]:
    return {
        "hidden_states": size.noise(size.tokens, 64),
        "encoder_hidden_states": size.noise(size.text, 3584),
        "encoder_hidden_states_mask": torch.ones(size.rows, size.text, dtype=torch.long),
        "timestep": size.time,
        "img_shapes": [[(1, size.latent // 2, size.latent // 2)]] * size.rows,
    }


def _z_image(size: Pass) -> dict[str, Any]:
    latents = [torch.randn(16, 1, size.latent, size.latent, dtype=size.dtype)] * size.rows
    captions = [torch.randn(size.text, 2560, dtype=size.dtype)] * size.rows
    return {"x": latents, "t": size.time, "cap_feats": captions}


def _krea2(size: Pass) -> dict[str, Any]:
    return {
        "hidden_states": size.noise(size.tokens, 64),
        "encoder_hidden_states": size.noise(size.text, 12, 2560),
        "timestep": size.time,
        "position_ids": torch.zeros(size.text + size.tokens, 3),
    }


def _image(size: Pass, text: int, channels: int = 16) -> dict[str, Any]:
    return {
        "hidden_states": size.noise(channels, size.latent, size.latent),
        "encoder_hidden_states": size.noise(size.text, text),
        "timestep": size.time,
    }


def _masked(size: Pass, text: int, channels: int, side: int) -> dict[str, Any]:
    return {
        "hidden_states": size.noise(channels, side, side),
        "encoder_hidden_states": size.noise(size.text, text),
        "timestep": size.time,
        "encoder_attention_mask": torch.ones(size.rows, size.text, dtype=torch.bool),
    }


def _cogview4(size: Pass) -> dict[str, Any]:
    sides = torch.tensor([[size.latent * 8.0] * 2] * size.rows, dtype=size.dtype)
    named = {"original_size": sides, "target_size": sides, "crop_coords": sides * 0}
    return {**_image(size, 4096), **named}


def _hunyuan_image(size: Pass) -> dict[str, Any]:
    side, glyphs = size.latent // 4, 128
    return {
        "hidden_states": size.noise(64, side, side),
        "timestep": size.time,
        "encoder_hidden_states": size.noise(size.text, 3584),
        "encoder_attention_mask": torch.ones(size.rows, size.text, dtype=torch.long),
        "encoder_hidden_states_2": size.noise(glyphs, 1472),
        "encoder_attention_mask_2": torch.ones(size.rows, glyphs, dtype=torch.long),
    }


def _hidream(size: Pass) -> dict[str, Any]:
    return {
        "hidden_states": size.noise(16, size.latent, size.latent),
        "timesteps": size.time,
        "encoder_hidden_states_t5": size.noise(size.text, 4096),
        "encoder_hidden_states_llama3": torch.randn(
            2, size.rows, size.text, 4096, dtype=size.dtype
        ),
        "pooled_embeds": size.noise(2048),
    }


def _ernie(size: Pass) -> dict[str, Any]:
    return {
        "hidden_states": size.noise(128, size.latent // 2, size.latent // 2),
        "timestep": size.time,
        "text_bth": size.noise(size.text, 2560),
        "text_lens": torch.full((size.rows,), size.text),
    }


def _glm_image(size: Pass) -> dict[str, Any]:
    side = size.latent * 8.0
    return {
        "hidden_states": size.noise(16, size.latent, size.latent),
        "encoder_hidden_states": size.noise(size.text, 1472),
        "prior_token_id": torch.zeros(size.rows, size.tokens, dtype=torch.long),
        "prior_token_drop": torch.zeros(size.rows, size.tokens, dtype=torch.bool),
        "timestep": size.time,
        "target_size": torch.full((size.rows, 2), side, dtype=size.dtype),
        "crop_coords": torch.zeros(size.rows, 2, dtype=size.dtype),
    }


def _prx(size: Pass) -> dict[str, Any]:
    return {
        **_image(size, 2304),
        "attention_mask": torch.ones(size.rows, size.text, dtype=torch.bool),
    }


def _bria_fibo(size: Pass) -> dict[str, Any]:
    layers = [size.noise(size.text, 2048)] * 2
    return {**_packed(size, 4096, 48), "text_encoder_layers": layers}


_LAYERS = {"num_layers": 1, "num_single_layers": 1}
FAMILIES: Mapping[str, tuple[str, str, dict[str, Any], int, Inputs]] = {
    # Pipeline, transformer, its config, its width, its inputs.
    "flux": (
        "FluxPipeline",
        "FluxTransformer2DModel",
        {**_LAYERS, "guidance_embeds": True},
        3072,
        _flux,
    ),
    "klein": (
        "Flux2KleinPipeline",
        "Flux2Transformer2DModel",
        {
            **_LAYERS,
            "num_attention_heads": 24,
            "joint_attention_dim": 7680,
            "guidance_embeds": False,
        },
        3072,
        lambda size: _packed(size, 7680, 128, 4),
    ),
    "sd3": (
        "StableDiffusion3Pipeline",
        "SD3Transformer2DModel",
        {
            "num_layers": 2,
            "num_attention_heads": 38,
            "caption_projection_dim": 2432,
            "qk_norm": "rms_norm",
            "pos_embed_max_size": 192,
        },
        2432,
        lambda size: {**_image(size, 4096), "pooled_projections": size.noise(2048)},
    ),
    "qwen": ("QwenImagePipeline", "QwenImageTransformer2DModel", {"num_layers": 1}, 3072, _qwen),
    "z-image": (
        "ZImagePipeline",
        "ZImageTransformer2DModel",
        {"n_layers": 2, "n_refiner_layers": 1},
        3840,
        _z_image,
    ),
    "krea2": ("Krea2Pipeline", "Krea2Transformer2DModel", {"num_layers": 1}, 6144, _krea2),
    "chroma": (
        "ChromaPipeline",
        "ChromaTransformer2DModel",
        _LAYERS,
        3072,
        lambda size: _packed(size, 4096),
    ),
    "sana": (
        "SanaPipeline",
        "SanaTransformer2DModel",
        {"num_layers": 2},
        2240,
        lambda size: _masked(size, 2304, 32, size.latent // 4),
    ),
    "pixart": (
        "PixArtSigmaPipeline",
        "PixArtTransformer2DModel",
        {"num_layers": 2, "caption_channels": 4096, "use_additional_conditions": False},
        1152,
        lambda size: {
            **_masked(size, 4096, 4, size.latent),
            "added_cond_kwargs": {"resolution": None, "aspect_ratio": None},
        },
    ),
    "lumina2": (
        "Lumina2Pipeline",
        "Lumina2Transformer2DModel",
        {"num_layers": 2, "num_refiner_layers": 1, "cap_feat_dim": 2304},
        2304,
        lambda size: _masked(size, 2304, 16, size.latent),
    ),
    "cogview4": (
        "CogView4Pipeline",
        "CogView4Transformer2DModel",
        {
            "num_layers": 2,
            "attention_head_dim": 128,
            "num_attention_heads": 32,
            "rope_axes_dim": (256, 256),
        },
        4096,
        _cogview4,
    ),
    "auraflow": (
        "AuraFlowPipeline",
        "AuraFlowTransformer2DModel",
        {"num_mmdit_layers": 1, "num_single_dit_layers": 1, "pos_embed_max_size": 16384},
        3072,
        lambda size: _image(size, 2048, 4),
    ),
    "hunyuan-image": (
        "HunyuanImagePipeline",
        "HunyuanImageTransformer2DModel",
        {**_LAYERS, "text_embed_2_dim": 1472},
        3584,
        _hunyuan_image,
    ),
    "hidream": (
        "HiDreamImagePipeline",
        "HiDreamImageTransformer2DModel",
        {
            **_LAYERS,
            "patch_size": 2,
            "in_channels": 16,
            "caption_channels": [4096, 4096],
            "axes_dims_rope": (64, 32, 32),
            "llama_layers": [0, 1],
        },
        2560,
        _hidream,
    ),
    "ernie": (
        "ErnieImagePipeline",
        "ErnieImageTransformer2DModel",
        {"num_layers": 2},
        3072,
        _ernie,
    ),
    "ovis": (
        "OvisImagePipeline",
        "OvisImageTransformer2DModel",
        _LAYERS,
        3072,
        lambda size: _packed(size, 2048),
    ),
    "bria": (
        "BriaPipeline",
        "BriaTransformer2DModel",
        _LAYERS,
        3072,
        lambda size: _packed(size, 4096),
    ),
    "bria-fibo": (
        "BriaFiboPipeline",
        "BriaFiboTransformer2DModel",
        {**_LAYERS, "in_channels": 48},
        3072,
        _bria_fibo,
    ),
    "longcat": (
        "LongCatImagePipeline",
        "LongCatImageTransformer2DModel",
        _LAYERS,
        3072,
        lambda size: _packed(size, 3584),
    ),
    "glm-image": (
        "GlmImagePipeline",
        "GlmImageTransformer2DModel",
        {"num_layers": 2},
        2560,
        _glm_image,
    ),
    "prx": ("PRXPipeline", "PRXTransformer2DModel", {"depth": 2}, 1792, _prx),
}
VAE_FACTORS = {"bria-fibo": 16, "hunyuan-image": 32, "sana": 32}
"""Pixels per latent, where they aren't 8."""
TEXT_LENGTHS = {"hunyuan-image": 1000}
"""Tokens of a prompt, where the pipeline's call doesn't say them."""
