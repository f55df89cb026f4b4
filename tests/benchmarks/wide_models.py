"""Models whose layers have the sizes of the real ones, and random weights; there are only a few of
each kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    AutoencoderKLQwenImage,
    FluxTransformer2DModel,
    QwenImageTransformer2DModel,
)
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    T5Config,
    T5EncoderModel,
)

from tests.support.tiny_families import make_family

_LAYERS = 8


def _flux() -> dict[str, Any]:
    clip: Any = CLIPTextConfig(
        hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12
    )
    t5 = T5Config(
        d_model=4096,
        d_kv=64,
        d_ff=10240,
        num_heads=64,
        num_layers=_LAYERS,
        feed_forward_proj="gated-gelu",
    )
    return {
        "text_encoder": CLIPTextModel(clip),
        "text_encoder_2": T5EncoderModel(t5),
        "transformer": FluxTransformer2DModel(
            num_layers=_LAYERS // 2, num_single_layers=_LAYERS, guidance_embeds=True
        ),
        "vae": AutoencoderKL(
            block_out_channels=[128, 256, 512, 512],
            down_block_types=["DownEncoderBlock2D"] * 4,
            up_block_types=["UpDecoderBlock2D"] * 4,
            layers_per_block=2,
            latent_channels=16,
            scaling_factor=0.3611,
            shift_factor=0.1159,
            use_quant_conv=False,
            use_post_quant_conv=False,
        ),
    }


def _qwen_image() -> dict[str, Any]:
    config: Any = Qwen2_5_VLConfig
    text = {
        "hidden_size": 3584,
        "intermediate_size": 18944,
        "num_attention_heads": 28,
        "num_key_value_heads": 4,
        "num_hidden_layers": _LAYERS,
        "vocab_size": 300,
        "bos_token_id": None,
        "eos_token_id": None,
        "rope_scaling": {"mrope_section": [16, 24, 24], "rope_type": "default", "type": "default"},
    }
    vision = {"depth": 2, "out_hidden_size": 3584}
    return {
        "text_encoder": Qwen2_5_VLForConditionalGeneration(
            config(
                text_config=text,
                vision_config=vision,
                vision_start_token_id=291,
                image_token_id=293,
                video_token_id=294,
            )
        ),
        "transformer": QwenImageTransformer2DModel(num_layers=_LAYERS),
        "vae": AutoencoderKLQwenImage(),
    }


_MAKERS: dict[str, Callable[[], dict[str, Any]]] = {"flux": _flux, "qwen_image": _qwen_image}
WIDE = tuple(_MAKERS)
"""The families that can be made."""


def make_wide(family: str, dtype: torch.dtype) -> Any:
    """Return the pipeline of a family, in a number format."""
    pipeline = make_family(family)
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        pipeline.register_modules(**_MAKERS[family]())
    finally:
        torch.set_default_dtype(before)
    return pipeline
