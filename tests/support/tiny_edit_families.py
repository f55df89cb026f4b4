"""Small pipelines of families that edit pictures, with random weights."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    FlowMatchEulerDiscreteScheduler,
    QwenImageEditPipeline,
    QwenImageEditPlusPipeline,
    QwenImageTransformer2DModel,
)
from transformers import Qwen2Tokenizer, Qwen2VLImageProcessorPil, Qwen2VLProcessor

from tests.support.tiny_language_models import make_qwen_tokenizer, make_qwen_vision
from tests.support.tiny_transformers import small_video_vae

_SEEING_TOKENS = ("<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")


_Base: Any = Qwen2VLProcessor  # without types


class _Processor(_Base):  # type: ignore[misc]
    """Reads texts and pictures; the part for videos needs torchvision."""

    @classmethod
    def get_attributes(cls) -> list[str]:
        """Called by transformers."""
        return ["image_processor", "tokenizer"]


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
        processor=_Processor(
            Qwen2VLImageProcessorPil(min_pixels=28**2, max_pixels=56**2), tokenizer
        ),
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


def save_editing(name: str, folder: Path) -> Any:
    """Save one of EDITING to `folder`, as repositories have it; return it."""
    pipeline = make_editing(name)
    pipeline.save_pretrained(folder)
    index = folder / "model_index.json"
    parts = json.loads(index.read_text())
    index.write_text(json.dumps({**parts, "processor": ["transformers", "Qwen2VLProcessor"]}))
    return pipeline
