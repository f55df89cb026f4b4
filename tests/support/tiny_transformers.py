"""Small pipelines of recent transformer families, with random weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderDC,
    AutoencoderKL,
    AutoencoderKLFlux2,
    AutoencoderKLQwenImage,
    DPMSolverMultistepScheduler,
    FlowMatchEulerDiscreteScheduler,
    Flux2KleinPipeline,
    Flux2Transformer2DModel,
    Krea2Pipeline,
    Krea2Transformer2DModel,
    Lumina2Pipeline,
    Lumina2Transformer2DModel,
    PixArtSigmaPipeline,
    PixArtTransformer2DModel,
    QwenImagePipeline,
    QwenImageTransformer2DModel,
    SanaPipeline,
    SanaTransformer2DModel,
    SD3Transformer2DModel,
    StableDiffusion3Pipeline,
    ZImagePipeline,
    ZImageTransformer2DModel,
)
from transformers import CLIPTextModelWithProjection, T5Config, T5EncoderModel, T5Tokenizer

from tests.support.tiny_language_models import (
    make_gemma,
    make_qwen3,
    make_qwen3_vision,
    make_qwen_tokenizer,
    make_qwen_vision,
)
from tests.support.tiny_models import make_tokenizer, text_config


def small_vae(latents: int = 4, scale: float = 1.5, shift: float | None = 0.1) -> AutoencoderKL:
    return AutoencoderKL(
        block_out_channels=[8] * 4,
        down_block_types=["DownEncoderBlock2D"] * 4,
        up_block_types=["UpDecoderBlock2D"] * 4,
        latent_channels=latents,
        norm_num_groups=4,
        sample_size=128,
        scaling_factor=scale,
        shift_factor=shift,
        use_quant_conv=False,
        use_post_quant_conv=False,
    )


def small_video_vae() -> AutoencoderKLQwenImage:
    return AutoencoderKLQwenImage(
        base_dim=24,
        z_dim=4,
        dim_mult=[1, 2, 4, 4],
        num_res_blocks=1,
        temperal_downsample=[False, True, True],
        latents_mean=[0.1, -0.2, 0.3, 0.0],
        latents_std=[1.3, 0.7, 1.1, 0.9],
    )


def small_t5(width: int) -> tuple[T5EncoderModel, T5Tokenizer]:
    vocabulary = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -1.0)]
    vocabulary += [(chr(code), -2.0) for code in range(33, 127)]
    config = T5Config(vocab_size=len(vocabulary), d_model=width, d_kv=8, d_ff=37, num_layers=2)
    return T5EncoderModel(config), T5Tokenizer(vocab=vocabulary, extra_ids=0)


def make_sd3() -> Any:
    encoder, tokenizer = small_t5(64)
    config = text_config(32, projection_dim=32)
    return StableDiffusion3Pipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
        vae=small_vae(latents=16),
        text_encoder=CLIPTextModelWithProjection(config),
        tokenizer=make_tokenizer(),
        text_encoder_2=CLIPTextModelWithProjection(config),
        tokenizer_2=make_tokenizer(),
        text_encoder_3=encoder,
        tokenizer_3=tokenizer,
        transformer=SD3Transformer2DModel(
            sample_size=16,
            num_layers=2,
            attention_head_dim=8,
            num_attention_heads=4,
            caption_projection_dim=32,
            joint_attention_dim=64,
            pooled_projection_dim=64,
            pos_embed_max_size=32,
        ),
    )


def make_z_image() -> Any:
    transformer: Any = ZImageTransformer2DModel(
        in_channels=16,
        dim=32,
        n_layers=2,
        n_refiner_layers=1,
        n_heads=2,
        n_kv_heads=2,
        cap_feat_dim=16,
        axes_dims=[8, 4, 4],
        axes_lens=[256, 32, 32],
    )
    with torch.no_grad():
        transformer.x_pad_token.fill_(1)
        transformer.cap_pad_token.fill_(1)
    return ZImagePipeline(
        transformer=transformer,
        vae=small_vae(latents=16, scale=0.36),
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
        text_encoder=make_qwen3(),
        tokenizer=make_qwen_tokenizer(),
    )


def make_qwen_image() -> Any:
    return QwenImagePipeline(
        transformer=QwenImageTransformer2DModel(
            in_channels=16,
            out_channels=4,
            num_layers=2,
            attention_head_dim=16,
            num_attention_heads=3,
            joint_attention_dim=16,
            axes_dims_rope=(8, 4, 4),
        ),
        vae=small_video_vae(),
        scheduler=FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
        text_encoder=make_qwen_vision(),
        tokenizer=make_qwen_tokenizer(),
    )


def make_krea2() -> Any:
    return Krea2Pipeline(
        transformer=Krea2Transformer2DModel(
            in_channels=16,
            num_layers=2,
            attention_head_dim=8,
            num_attention_heads=4,
            num_key_value_heads=2,
            intermediate_size=32,
            timestep_embed_dim=8,
            text_hidden_dim=16,
            num_text_layers=3,
            text_num_attention_heads=2,
            text_num_key_value_heads=1,
            text_intermediate_size=16,
            num_layerwise_text_blocks=1,
            num_refiner_text_blocks=1,
            axes_dims_rope=(4, 2, 2),
        ),
        vae=small_video_vae(),
        scheduler=FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
        text_encoder=make_qwen3_vision(),
        tokenizer=make_qwen_tokenizer(),
        text_encoder_select_layers=(0, 1, 2),
    )


def make_flux2_klein() -> Any:
    vae: Any = AutoencoderKLFlux2(
        sample_size=128,
        block_out_channels=(8,) * 4,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=4,
        use_quant_conv=False,
        use_post_quant_conv=False,
    )
    vae.bn.running_mean.normal_()
    vae.bn.running_var.uniform_(0.5, 2)
    return Flux2KleinPipeline(
        transformer=Flux2Transformer2DModel(
            in_channels=16,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=48,
            axes_dims_rope=[4, 4, 4, 4],
            guidance_embeds=False,
        ),
        vae=vae,
        scheduler=FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
        text_encoder=make_qwen3(layers=30, with_head=True),
        tokenizer=make_qwen_tokenizer(),
        is_distilled=False,
    )


def make_sana() -> Any:
    blocks: dict[str, Any] = {
        f"{part}_{name}": value
        for part in ("encoder", "decoder")
        for name, value in {
            "block_types": ("ResBlock", "ResBlock", "ResBlock", "EfficientViTBlock"),
            "block_out_channels": (8, 8, 8, 8),
            "qkv_multiscales": ((), (), (), (5,)),
            "layers_per_block": (1, 1, 1, 1),
        }.items()
    }
    return SanaPipeline(
        transformer=SanaTransformer2DModel(
            in_channels=4,
            out_channels=4,
            num_layers=1,
            num_attention_heads=2,
            attention_head_dim=4,
            num_cross_attention_heads=2,
            cross_attention_head_dim=4,
            cross_attention_dim=8,
            caption_channels=16,
            sample_size=16,  # by which the pipeline chooses its list of sizes
        ),
        vae=AutoencoderDC(
            latent_channels=4,
            attention_head_dim=2,
            downsample_block_type="conv",
            upsample_block_type="interpolate",
            **blocks,
        ),
        scheduler=FlowMatchEulerDiscreteScheduler(shift=7.0),
        text_encoder=make_gemma(),
        tokenizer=make_qwen_tokenizer(),
    )


def make_lumina2() -> Any:
    return Lumina2Pipeline(
        transformer=Lumina2Transformer2DModel(
            sample_size=16,
            in_channels=4,
            hidden_size=8,
            num_layers=2,
            num_attention_heads=1,
            num_kv_heads=1,
            multiple_of=16,
            axes_dim_rope=[4, 2, 2],
            cap_feat_dim=16,
        ),
        vae=small_vae(),
        scheduler=FlowMatchEulerDiscreteScheduler(),
        text_encoder=make_gemma(),
        tokenizer=make_qwen_tokenizer(),
    )


def make_pixart() -> Any:
    """A pipeline that takes only the callback of old versions of diffusers."""
    encoder, tokenizer = small_t5(32)
    return PixArtSigmaPipeline(
        transformer=PixArtTransformer2DModel(
            sample_size=32,  # by which the pipeline chooses its list of sizes
            num_layers=2,
            attention_head_dim=8,
            num_attention_heads=3,
            caption_channels=32,
            cross_attention_dim=24,
            out_channels=8,
        ),
        vae=small_vae(scale=0.13, shift=None),
        scheduler=DPMSolverMultistepScheduler(),
        text_encoder=encoder,
        tokenizer=tokenizer,
    )


MAKERS: dict[str, Callable[[], Any]] = {
    "flux2_klein": make_flux2_klein,
    "krea2": make_krea2,
    "lumina2": make_lumina2,
    "pixart": make_pixart,
    "qwen_image": make_qwen_image,
    "sana": make_sana,
    "sd3": make_sd3,
    "z_image": make_z_image,
}


def make_tiny(name: str) -> Any:
    """Return one of MAKERS, the same at each call."""
    torch.manual_seed(0)
    pipeline = MAKERS[name]()
    for part in pipeline.components.values():
        if isinstance(part, torch.nn.Module):
            part.eval()
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def save_tiny(name: str, folder: Path) -> Path:
    """Save one of MAKERS to `folder`."""
    make_tiny(name).save_pretrained(folder)
    return folder
