"""Small pipelines of families that edit pictures, with random weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKLFlux2,
    FlowMatchEulerDiscreteScheduler,
    Flux3AutoBlocks,
    Flux3Transformer2DModel,
    QwenImageEditPipeline,
    QwenImageEditPlusPipeline,
    QwenImageTransformer2DModel,
)
from transformers import (
    Qwen2Tokenizer,
    Qwen2VLImageProcessorPil,
    Qwen2VLProcessor,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
    Qwen3VLProcessor,
)

from tests.support.tiny_language_models import (
    SEEING,
    SMALL,
    make_qwen_tokenizer,
    make_qwen_vision,
)
from tests.support.tiny_transformers import small_video_vae

_SEEING_TOKENS = ("<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")


def _processor(kind: Any, tokenizer: Any, **options: Any) -> Any:
    """Return what reads texts and pictures, without the part for videos, which needs
    torchvision."""
    names = ["image_processor", "tokenizer"]
    plain = type(kind.__name__, (kind,), {"get_attributes": classmethod(lambda _: names)})
    # Found by its name when it is saved.
    plain.__module__ = "transformers"
    return plain(Qwen2VLImageProcessorPil(min_pixels=28**2, max_pixels=56**2), tokenizer, **options)


def _seeing_tokenizer() -> Qwen2Tokenizer:
    tokenizer = make_qwen_tokenizer()
    special = ["<|im_start|>", "<|im_end|>", *_SEEING_TOKENS]
    tokenizer.add_special_tokens({"additional_special_tokens": special})
    return tokenizer


def _make(pipeline_class: Any) -> Any:
    tokenizer: Any = _seeing_tokenizer()
    start, end, image, video = (tokenizer.convert_tokens_to_ids(each) for each in _SEEING_TOKENS)
    return pipeline_class(
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
        text_encoder=make_qwen_vision(
            image_token_id=image,
            video_token_id=video,
            vision_start_token_id=start,
            vision_end_token_id=end,
        ),
        tokenizer=tokenizer,
        processor=_processor(Qwen2VLProcessor, tokenizer),
    )


EDITING: dict[str, Callable[[], Any]] = {
    "qwen_edit": lambda: _make(QwenImageEditPipeline),
    "qwen_edit_plus": lambda: _make(QwenImageEditPlusPipeline),
}


def make_editing(name: str) -> Any:
    """Return one of EDITING, the same at each call."""
    torch.manual_seed(0)
    pipeline = EDITING[name]()
    for part in pipeline.components.values():
        if isinstance(part, torch.nn.Module):
            part.eval()
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def make_flux3() -> Any:
    """Return the blocks of a small FLUX.3, without those that rewrite prompts."""
    torch.manual_seed(0)
    tokenizer: Any = _seeing_tokenizer()
    start, end, image, video = (tokenizer.convert_tokens_to_ids(each) for each in _SEEING_TOKENS)
    auto: Any = Flux3AutoBlocks()
    blocks = auto.init_pipeline().blocks
    for name in [each for each in blocks.sub_blocks if each.startswith("prompt_")]:
        blocks.sub_blocks.pop(name)
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
    encoder = Qwen3VLForConditionalGeneration(
        Qwen3VLConfig(
            text_config={**SMALL, "num_hidden_layers": 32, "head_dim": 8},
            vision_config={**SEEING, "deepstack_visual_indexes": [0, 1]},
            image_token_id=image,
            video_token_id=video,
            vision_start_token_id=start,
            vision_end_token_id=end,
        )
    )
    transformer: Any = Flux3Transformer2DModel(
        in_channels=16,
        cond_in_channels=16,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=8 * 16,
        axes_dims_rope=(4, 4, 4, 4),
    )
    pipeline = blocks.init_pipeline()
    pipeline.update_components(
        text_encoder=encoder.eval(),
        tokenizer=_processor(Qwen3VLProcessor, tokenizer, chat_template=tokenizer.chat_template),
        transformer=transformer.eval(),
        vae=vae.eval(),
        guider=pipeline.guider.new(guidance_scale=3.0),
    )
    return pipeline


def save_editing(name: str, folder: Path) -> Any:
    """Save one of EDITING to `folder`; return it."""
    pipeline = make_editing(name)
    pipeline.save_pretrained(folder)
    return pipeline
