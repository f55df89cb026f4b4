"""Prompt encoding with the CLIP text encoders of SD 1.x, SD 2.x and SDXL.

Returns what diffusers' `encode_prompt` returns, bit for bit, and can take the hidden states of an
earlier layer: diffusers' own `clip_skip` fails with the text encoders of transformers 5, and does
not apply to the negative prompt.
"""

from __future__ import annotations

from typing import Any

import torch

from sdtui.engine.embeddings import Embeddings
from sdtui.engine.loaded import LoadedModel


def encode_clip(
    model: LoadedModel,
    prompt: str,
    negative_prompt: str,
    *,
    guidance: bool,
    clip_skip: int = 1,
) -> Embeddings:
    """Encode a prompt and, with `guidance`, its negative prompt.

    `clip_skip` counts as in A1111: 1 = the last layer, 2 = the one before. SDXL was trained on the
    layer before the last; there 1 and 2 both mean that layer. For an SDXL model whose config says
    so, an empty negative prompt is encoded as zeros, as in diffusers.
    """
    is_xl = hasattr(model.pipeline, "text_encoder_2")
    encode = _encode_xl if is_xl else _encode_single
    with torch.no_grad():
        hidden, pooled = encode(model, prompt, clip_skip)
        embeddings = {"prompt_embeds": hidden, "pooled_prompt_embeds": pooled}
        if guidance:
            is_zero = is_xl and not negative_prompt and _forces_zeros(model)
            if is_zero:
                hidden = torch.zeros_like(hidden)
                pooled = None if pooled is None else torch.zeros_like(pooled)
            else:
                hidden, pooled = encode(model, negative_prompt, clip_skip)
            embeddings["negative_prompt_embeds"] = hidden
            embeddings["negative_pooled_prompt_embeds"] = pooled
    return {name: tensor.cpu() for name, tensor in embeddings.items() if tensor is not None}


def _encode_single(model: LoadedModel, text: str, clip_skip: int) -> tuple[torch.Tensor, None]:
    """Return the hidden states, 1 x tokens x width, after the final layer norm."""
    pipeline = model.pipeline
    encoder = pipeline.text_encoder
    tokens = _tokens(pipeline.tokenizer, text)
    mask = None
    if getattr(encoder.config, "use_attention_mask", False):
        mask = tokens.attention_mask.to(model.execution_device)
    ids = tokens.input_ids.to(model.execution_device)
    output = encoder(ids, attention_mask=mask, output_hidden_states=clip_skip > 1)
    if clip_skip == 1:
        hidden = output.last_hidden_state
    else:
        # transformers before 5 keeps the layers in `text_model`.
        layers = getattr(encoder, "text_model", encoder)
        hidden = layers.final_layer_norm(output.hidden_states[-clip_skip])
    return hidden.to(encoder.dtype), None


def _encode_xl(model: LoadedModel, text: str, clip_skip: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the hidden states of both encoders, concatenated to 1 x tokens x (width + width_2),
    and the pooled embedding of the second, 1 x width_2."""
    pipeline = model.pipeline
    pairs = (
        (pipeline.tokenizer, pipeline.text_encoder),
        (pipeline.tokenizer_2, pipeline.text_encoder_2),
    )
    hidden = []
    for tokenizer, encoder in pairs:
        ids = _tokens(tokenizer, text).input_ids.to(model.execution_device)
        output = encoder(ids, output_hidden_states=True)
        hidden.append(output.hidden_states[-max(clip_skip, 2)])
    return torch.cat(hidden, dim=-1), output.text_embeds


def _tokens(tokenizer: Any, text: str) -> Any:
    """Return `input_ids` and `attention_mask`, 1 x 77. Longer prompts are truncated."""
    return tokenizer(
        text,
        padding="max_length",
        max_length=tokenizer.model_max_length,
        truncation=True,
        return_tensors="pt",
    )


def _forces_zeros(model: LoadedModel) -> bool:
    return bool(model.pipeline.config.get("force_zeros_for_empty_prompt", True))
