"""Small pipelines of the real architectures with random weights, built without a network.

Their pictures mean nothing; they run the same code as the big ones in milliseconds.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    EulerDiscreteScheduler,
    StableDiffusionPipeline,
    StableDiffusionXLImg2ImgPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
)


def make_tokenizer() -> CLIPTokenizer:
    """A byte-level CLIP tokenizer in which every character is a token.

    The special tokens have the highest ids, since CLIP pools at the highest id.
    """
    symbols = byte_symbols()
    words = [*symbols, *(f"{symbol}</w>" for symbol in symbols)]
    words += ["<|startoftext|>", "<|endoftext|>"]
    vocabulary = {word: index for index, word in enumerate(words)}
    return CLIPTokenizer(vocab=vocabulary, merges=[], model_max_length=77)


def byte_symbols() -> list[str]:
    """The characters that stand for the 256 bytes in byte-level vocabularies."""
    codes = [*range(33, 127), *range(161, 173), *range(174, 256)]
    return [chr(code) for code in codes] + [chr(256 + n) for n in range(256 - len(codes))]


def text_config(hidden: int, **options: Any) -> CLIPTextConfig:
    return CLIPTextConfig(
        hidden_size=hidden,
        intermediate_size=37,
        num_attention_heads=4,
        num_hidden_layers=2,
        vocab_size=514,
        max_position_embeddings=77,
        bos_token_id=512,
        eos_token_id=513,
        pad_token_id=513,
        **options,
    )


def _vae(channels: int = 8) -> AutoencoderKL:
    return AutoencoderKL(
        block_out_channels=[channels] * 4,
        down_block_types=["DownEncoderBlock2D"] * 4,
        up_block_types=["UpDecoderBlock2D"] * 4,
        latent_channels=4,
        norm_num_groups=4,
        sample_size=128,
    )


_MASKED_CHANNELS = 9
"""Latents, a mask, and the latents of the masked picture."""
_SCHEDULE = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}


def make_sd1(
    folder: Path, seed: int = 0, width: int = 16, time_cond_proj_dim: int | None = None
) -> Path:
    """Save a tiny SD 1.x model of 16x16 latents (native size 128 px) to `folder`."""
    return _make_stable_diffusion(folder, seed, width, time_cond_proj_dim)


def make_sd1_inpainting(folder: Path, seed: int = 0) -> Path:
    """Save a tiny inpainting model of SD 1.x to `folder`, as diffusers' own are saved."""
    _make_stable_diffusion(folder, seed, in_channels=_MASKED_CHANNELS)
    return _saved_for_inpainting(folder)


def make_sdxl_inpainting(folder: Path, seed: int = 0) -> Path:
    """Save a tiny inpainting model of SDXL to `folder`."""
    return _saved_for_inpainting(make_sdxl(folder, seed, in_channels=_MASKED_CHANNELS))


def _saved_for_inpainting(folder: Path) -> Path:
    index = folder / "model_index.json"
    parts = json.loads(index.read_text())
    name = parts["_class_name"].replace("Pipeline", "InpaintPipeline")
    index.write_text(json.dumps({**parts, "_class_name": name}))
    return folder


def make_sd2(folder: Path, seed: int = 0) -> Path:
    """Save a tiny SD 2.x model of 16x16 latents (native size 128 px) to `folder`: embeddings of
    1024 values, by which the family is recognised, and v-prediction."""
    return _make_stable_diffusion(
        folder, seed, embedding=1024, schedule={"prediction_type": "v_prediction"}
    )


def _make_stable_diffusion(
    folder: Path,
    seed: int,
    width: int = 16,
    time_cond_proj_dim: int | None = None,
    embedding: int = 32,
    schedule: Mapping[str, Any] = MappingProxyType({}),
    in_channels: int = 4,
) -> Path:
    torch.manual_seed(seed)
    unet = UNet2DConditionModel(
        in_channels=in_channels,
        block_out_channels=(width, width * 2),
        layers_per_block=1,
        sample_size=16,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=embedding,
        norm_num_groups=4,
        attention_head_dim=4,
        time_cond_proj_dim=time_cond_proj_dim,
    )
    pipeline: Any = StableDiffusionPipeline(
        vae=_vae(),
        text_encoder=CLIPTextModel(text_config(embedding)),
        tokenizer=make_tokenizer(),
        unet=unet,
        scheduler=DDIMScheduler(**_SCHEDULE, **schedule, steps_offset=1, clip_sample=False),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.save_pretrained(folder)
    return folder


def make_sdxl(folder: Path, seed: int = 0, in_channels: int = 4) -> Path:
    """Save a tiny SDXL model of 16x16 latents to `folder`."""
    torch.manual_seed(seed)
    unet = _sdxl_unet(cross_attention_dim=64, added=6, in_channels=in_channels)
    config = text_config(32, projection_dim=32)
    pipeline: Any = StableDiffusionXLPipeline(
        vae=_vae(),
        text_encoder=CLIPTextModel(config),
        text_encoder_2=CLIPTextModelWithProjection(config),
        tokenizer=make_tokenizer(),
        tokenizer_2=make_tokenizer(),
        unet=unet,
        scheduler=_sdxl_scheduler(),
    )
    pipeline.save_pretrained(folder)
    return folder


def make_sdxl_refiner(folder: Path, seed: int = 1) -> Path:
    """Save a tiny refiner of SDXL to `folder`: it has the second text encoder alone, and takes an
    aesthetic score in place of the target size."""
    torch.manual_seed(seed)
    pipeline: Any = StableDiffusionXLImg2ImgPipeline(
        vae=_vae(),
        text_encoder=None,
        text_encoder_2=CLIPTextModelWithProjection(text_config(32, projection_dim=32)),
        tokenizer=None,
        tokenizer_2=make_tokenizer(),
        unet=_sdxl_unet(cross_attention_dim=32, added=5),
        scheduler=_sdxl_scheduler(),
        requires_aesthetics_score=True,
        force_zeros_for_empty_prompt=False,
    )
    pipeline.save_pretrained(folder)
    return folder


def _sdxl_scheduler() -> EulerDiscreteScheduler:
    return EulerDiscreteScheduler(**_SCHEDULE, steps_offset=1, timestep_spacing="leading")


def _sdxl_unet(cross_attention_dim: int, added: int, in_channels: int = 4) -> UNet2DConditionModel:
    """Return a UNet that takes `added` numbers besides the pooled embedding."""
    return UNet2DConditionModel(
        in_channels=in_channels,
        block_out_channels=(16, 32),
        layers_per_block=1,
        sample_size=16,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=(2, 4),
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        transformer_layers_per_block=(1, 2),
        projection_class_embeddings_input_dim=added * 8 + 32,
        cross_attention_dim=cross_attention_dim,
        norm_num_groups=4,
    )
