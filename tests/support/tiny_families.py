"""Small pipelines of all families of transformers, with random weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from diffusers import (
    AnimaAutoBlocks,
    AnimaTextConditioner,
    AuraFlowPipeline,
    AuraFlowTransformer2DModel,
    AutoencoderKLFlux2,
    ChromaPipeline,
    ChromaTransformer2DModel,
    CogView4Pipeline,
    CogView4Transformer2DModel,
    CosmosTransformer3DModel,
    ErnieImagePipeline,
    ErnieImageTransformer2DModel,
    FlowMatchEulerDiscreteScheduler,
    FluxPipeline,
    FluxTransformer2DModel,
    HiDreamImagePipeline,
    HiDreamImageTransformer2DModel,
    OvisImagePipeline,
    OvisImageTransformer2DModel,
)
from transformers import (
    CLIPTextModel,
    CLIPTextModelWithProjection,
    GlmConfig,
    GlmForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    UMT5Config,
    UMT5EncoderModel,
)

from tests.support.tiny_language_models import SMALL, make_qwen3, make_qwen_tokenizer
from tests.support.tiny_models import make_tokenizer, text_config
from tests.support.tiny_transformers import MAKERS, small_t5, small_vae, small_video_vae


def _flux_like(transformer: type[Any], in_channels: int = 16, **options: Any) -> Any:
    return transformer(
        patch_size=1,
        in_channels=in_channels,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=32,
        axes_dims_rope=[4, 4, 8],
        **options,
    )


def make_flux_transformer(in_channels: int = 16) -> Any:
    return _flux_like(
        FluxTransformer2DModel, in_channels, pooled_projection_dim=32, guidance_embeds=True
    )


def make_flux() -> Any:
    encoder, tokenizer = small_t5(32)
    return FluxPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
        vae=small_vae(),
        text_encoder=CLIPTextModel(text_config(32, projection_dim=32)),
        tokenizer=make_tokenizer(),
        text_encoder_2=encoder,
        tokenizer_2=tokenizer,
        transformer=make_flux_transformer(),
    )


def make_chroma() -> Any:
    encoder, tokenizer = small_t5(32)
    return ChromaPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(),
        vae=small_vae(),
        text_encoder=encoder,
        tokenizer=tokenizer,
        transformer=_flux_like(
            ChromaTransformer2DModel,
            approximator_hidden_dim=32,
            approximator_layers=1,
            approximator_num_channels=16,
        ),
    )


def make_ovis() -> Any:
    return OvisImagePipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
        vae=small_vae(),
        text_encoder=make_qwen3(),
        tokenizer=make_qwen_tokenizer(),
        transformer=OvisImageTransformer2DModel(
            out_channels=16,
            patch_size=1,
            in_channels=16,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=16,
            axes_dims_rope=(4, 4, 8),
        ),
    )


def make_hidream() -> Any:
    encoder, tokenizer = small_t5(32)
    config = text_config(32, projection_dim=32)
    config.max_position_embeddings = 128
    llama = LlamaConfig(**{**SMALL, "bos_token_id": 257}, num_hidden_layers=2)
    return HiDreamImagePipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(),
        vae=small_vae(),
        text_encoder=CLIPTextModelWithProjection(config),
        tokenizer=make_tokenizer(),
        text_encoder_2=CLIPTextModelWithProjection(config),
        tokenizer_2=make_tokenizer(),
        text_encoder_3=encoder,
        tokenizer_3=tokenizer,
        text_encoder_4=LlamaForCausalLM(llama),
        tokenizer_4=make_qwen_tokenizer(),
        transformer=HiDreamImageTransformer2DModel(
            patch_size=2,
            in_channels=4,
            out_channels=4,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=8,
            num_attention_heads=4,
            caption_channels=[32, 16],
            text_emb_dim=64,
            num_routed_experts=4,
            num_activated_experts=2,
            axes_dims_rope=(4, 2, 2),
            max_resolution=(16, 16),
            llama_layers=(0, 1),
        ),
    )


def make_auraflow() -> Any:
    _, tokenizer = small_t5(32)
    config = UMT5Config(vocab_size=98, d_model=32, d_kv=8, d_ff=37, num_layers=2, num_heads=4)
    return AuraFlowPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(),
        vae=small_vae(shift=None),
        text_encoder=UMT5EncoderModel(config),
        tokenizer=tokenizer,
        transformer=AuraFlowTransformer2DModel(
            sample_size=16,
            num_mmdit_layers=1,
            num_single_dit_layers=1,
            attention_head_dim=8,
            num_attention_heads=4,
            caption_projection_dim=32,
            joint_attention_dim=32,
            pos_embed_max_size=256,
        ),
    )


def make_ernie() -> Any:
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
    return ErnieImagePipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(),
        vae=vae,
        text_encoder=make_qwen3(),
        tokenizer=make_qwen_tokenizer(),
        transformer=ErnieImageTransformer2DModel(
            hidden_size=32,
            num_attention_heads=2,
            num_layers=2,
            ffn_hidden_size=32,
            in_channels=16,
            out_channels=16,
            patch_size=1,
            text_in_dim=16,
            rope_axes_dim=(4, 6, 6),
        ),
    )


def make_cogview4() -> Any:
    config = GlmConfig(
        hidden_size=32,
        intermediate_size=8,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        vocab_size=300,
        pad_token_id=256,
        eos_token_id=258,
    )
    return CogView4Pipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(
            base_shift=0.25, max_shift=0.75, use_dynamic_shifting=True, time_shift_type="linear"
        ),
        vae=small_vae(shift=None),
        text_encoder=GlmForCausalLM(config),
        tokenizer=make_qwen_tokenizer(),
        transformer=CogView4Transformer2DModel(
            patch_size=2,
            in_channels=4,
            num_layers=2,
            attention_head_dim=8,
            num_attention_heads=4,
            out_channels=4,
            text_embed_dim=32,
            time_embed_dim=8,
            condition_dim=4,
            rope_axes_dim=(32, 32),
        ),
    )


class PlainAnima:
    """Anima as diffusers runs it, in blocks, with the interface of other pipelines."""

    def __init__(self, blocks: Any) -> None:
        self._blocks = blocks
        self.components = blocks.components
        self.transformer, self.vae = blocks.transformer, blocks.vae

    def set_progress_bar_config(self, **_: Any) -> None:
        """Leave the bars on: each block has its own."""

    def save_pretrained(self, folder: Path) -> None:
        self._blocks.save_pretrained(str(folder), overwrite_modular_index=True)

    def __call__(
        self,
        prompt: str,
        negative_prompt: str = "",
        width: int = 64,
        height: int = 64,
        num_inference_steps: int = 2,
        num_images_per_prompt: int = 1,
        generator: Any = None,
    ) -> Any:
        images = self._blocks(
            prompt=prompt,
            negative_prompt=negative_prompt,
            width=width,
            height=height,
            num_inference_steps=num_inference_steps,
            num_images_per_prompt=num_images_per_prompt,
            generator=generator,
            output="images",
        )
        return SimpleNamespace(images=images)


def make_anima() -> PlainAnima:
    _, t5_tokenizer = small_t5(32)
    blocks: Any = AnimaAutoBlocks()
    pipeline = blocks.init_pipeline()
    pipeline.update_components(
        text_encoder=make_qwen3(),
        tokenizer=make_qwen_tokenizer(),
        t5_tokenizer=t5_tokenizer,
        text_conditioner=AnimaTextConditioner(
            source_dim=16,
            target_dim=16,
            model_dim=16,
            num_layers=2,
            num_attention_heads=4,
            target_vocab_size=128,
            min_sequence_length=8,
        ),
        transformer=CosmosTransformer3DModel(
            in_channels=4,
            out_channels=4,
            num_attention_heads=2,
            attention_head_dim=16,
            num_layers=2,
            mlp_ratio=2,
            text_embed_dim=16,
            adaln_lora_dim=4,
            max_size=(4, 32, 32),
            patch_size=(1, 2, 2),
            rope_scale=(1.0, 1.0, 1.0),
            concat_padding_mask=False,
            extra_pos_embed_type=None,
        ),
        vae=small_video_vae(),
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
    )
    return PlainAnima(pipeline)


FAMILIES: dict[str, Callable[[], Any]] = {
    **MAKERS,
    "anima": make_anima,
    "auraflow": make_auraflow,
    "chroma": make_chroma,
    "cogview4": make_cogview4,
    "ernie": make_ernie,
    "flux": make_flux,
    "hidream": make_hidream,
    "ovis": make_ovis,
}


def make_family(name: str) -> Any:
    """Return one of FAMILIES, the same at each call."""
    torch.manual_seed(0)
    pipeline = FAMILIES[name]()
    for part in pipeline.components.values():
        if isinstance(part, torch.nn.Module):
            part.eval()
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def make_small(pipeline: Any) -> None:
    """Let HiDream make pictures of 80 x 80 pixels: it replaces sizes by others of a megapixel."""
    if hasattr(pipeline, "default_sample_size"):
        pipeline.default_sample_size = 10
