"""Small pipelines of families beyond Stable Diffusion, with random weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    FlowMatchEulerDiscreteScheduler,
    FluxPipeline,
    FluxTransformer2DModel,
    LCMScheduler,
)
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    T5Config,
    T5EncoderModel,
    T5Tokenizer,
)

from tests.support.tiny_models import make_sd1, make_tokenizer


def make_t5_tokenizer() -> T5Tokenizer:
    """Return a T5 tokenizer in which every character is a token."""
    vocabulary = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -1.0)]
    vocabulary += [(chr(code), -2.0) for code in range(33, 127)]
    return T5Tokenizer(vocab=vocabulary, extra_ids=0)


def make_flux(folder: Path) -> Path:
    """Save a tiny Flux model to `folder`."""
    torch.manual_seed(0)
    tokenizer = make_t5_tokenizer()
    small: dict[str, Any] = {
        "num_attention_heads": 2,
        "num_hidden_layers": 2,
        "intermediate_size": 37,
    }
    clip = CLIPTextConfig(hidden_size=32, projection_dim=32, vocab_size=514, **small)
    t5 = T5Config(vocab_size=len(tokenizer), d_model=32, d_kv=8, d_ff=37, num_layers=2)
    pipeline: Any = FluxPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(),
        vae=AutoencoderKL(
            block_out_channels=[8] * 4,
            down_block_types=["DownEncoderBlock2D"] * 4,
            up_block_types=["UpDecoderBlock2D"] * 4,
            latent_channels=4,
            norm_num_groups=4,
            scaling_factor=1.5,
            shift_factor=0.1,
            use_quant_conv=False,
            use_post_quant_conv=False,
        ),
        text_encoder=CLIPTextModel(clip),
        tokenizer=make_tokenizer(),
        text_encoder_2=T5EncoderModel(t5),
        tokenizer_2=tokenizer,
        transformer=FluxTransformer2DModel(
            patch_size=1,
            in_channels=16,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=32,
            pooled_projection_dim=32,
            axes_dims_rope=[4, 4, 8],
        ),
    )
    pipeline.save_pretrained(folder)
    return folder


def make_latent_consistency(folder: Path) -> Path:
    """Save a tiny model of a pipeline that takes no negative prompt and that the engine knows
    nothing of."""
    make_sd1(folder, time_cond_proj_dim=8)
    scheduler: Any = LCMScheduler(beta_schedule="scaled_linear", clip_sample=False)
    scheduler.save_pretrained(folder / "scheduler")
    index = folder / "model_index.json"
    parts = json.loads(index.read_text())
    parts |= {
        "_class_name": "LatentConsistencyModelPipeline",
        "scheduler": ["diffusers", "LCMScheduler"],
    }
    index.write_text(json.dumps(parts))
    return folder
