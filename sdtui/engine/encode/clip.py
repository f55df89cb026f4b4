"""Encode prompts of any length with the CLIP text encoders of SD 1.x, SD 2.x and SDXL.

For prompts of one chunk it returns what diffusers' `encode_prompt` returns, bit for bit. diffusers
has neither chunks nor weights, and its `clip_skip` fails with the text encoders of transformers 5
and does not apply to the negative prompt.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import torch

from sdtui.core.prompt_syntax import Group, ParsedPart
from sdtui.engine.embeddings import (
    Embeddings,
    EncodedPart,
    EncodedText,
    Encoding,
    StepwisePrompts,
    common_length,
)
from sdtui.engine.encode.emphasis import emphasise
from sdtui.engine.encode.encoder import ClipEncoder, Output
from sdtui.engine.encode.options import EncodeOptions
from sdtui.engine.encode.vectors import read_vectors
from sdtui.engine.loaded import LoadedModel


def encode_prompts(model: LoadedModel, encoding: Encoding) -> Embeddings:
    """Encode a prompt and, where it is needed, its negative prompt. For an SDXL model whose config
    says so, an empty negative prompt is encoded as zeros, as in diffusers."""
    options = encoding.options
    with torch.no_grad():
        encoders = _encoders(model, options)
        parts = [_encode_part(encoders, part, options) for part in encoding.prompt]
        negative = None
        if encoding.negative_prompt is not None:
            negative = _encode_part(encoders, encoding.negative_prompt, options)
            if model.description.family == "sdxl" and _forces_zeros(model):
                negative = _empty_as_zeros(negative, encoding.negative_prompt)
        return _embeddings(parts, negative, guidance=encoding.guidance)


def _embeddings(
    parts: Sequence[EncodedPart], negative: EncodedPart | None, *, guidance: bool
) -> Embeddings:
    everything = [*parts, *([negative] if negative else [])]
    length = common_length(text.hidden.shape[1] for part in everything for text in part.texts)
    parts = [_lengthened(part, length) for part in parts]
    negative = _lengthened(negative, length) if negative else None
    arguments = _arguments(parts[0].texts[0], "")
    if guidance and negative:
        arguments |= _arguments(negative.texts[0], "negative_")
    changes = len(parts) > 1 or any(len(part.texts) > 1 for part in everything)
    return Embeddings(arguments, StepwisePrompts(tuple(parts), negative) if changes else None)


def _arguments(text: EncodedText, prefix: str) -> dict[str, torch.Tensor]:
    arguments = {f"{prefix}prompt_embeds": text.hidden}
    if text.pooled is not None:
        arguments[f"{prefix}pooled_prompt_embeds"] = text.pooled
    return arguments


def _lengthened(part: EncodedPart, tokens: int) -> EncodedPart:
    texts = tuple(text.lengthened(tokens) for text in part.texts)
    return EncodedPart(texts, part.until, part.weight)


def _empty_as_zeros(encoded: EncodedPart, part: ParsedPart) -> EncodedPart:
    if any(stretch.text for stretch in part.stretches):
        return encoded
    return EncodedPart(tuple(text.zeros() for text in encoded.texts), encoded.until)


def _encode_part(
    encoders: Sequence[ClipEncoder], part: ParsedPart, options: EncodeOptions
) -> EncodedPart:
    """Encode the texts of a part, each once. All get as many chunks as the longest."""
    counts = Counter(stretch.text for stretch in part.stretches)
    groups = {stretch.text: part.groups(stretch) for stretch in part.stretches}
    texts = _encode_texts(
        encoders, list(groups.values()), [counts[each] for each in groups], options
    )
    encoded = dict(zip(groups, texts, strict=True))
    return EncodedPart(
        tuple(encoded[stretch.text] for stretch in part.stretches),
        tuple(stretch.until for stretch in part.stretches),
        part.weight,
    )


def _encode_texts(
    encoders: Sequence[ClipEncoder],
    texts: Sequence[Sequence[Group]],
    counts: Sequence[int],
    options: EncodeOptions,
) -> list[EncodedText]:
    chunked = [[encoder.chunks(groups) for groups in texts] for encoder in encoders]
    most = max(len(chunks) for of_encoder in chunked for chunks in of_encoder)
    outputs: list[Output] = []
    for encoder, of_encoder in zip(encoders, chunked, strict=True):
        output = encoder.encode(of_encoder, most)
        hidden = emphasise(output.hidden, output.weights, counts, options.emphasis)
        outputs.append(Output(hidden.flatten(1, 2), output.weights, output.pooled))
    hidden = torch.cat([each.hidden for each in outputs], dim=-1).cpu()
    pooled = outputs[-1].pooled
    rows: list[torch.Tensor | None] = [None] * len(texts)
    if pooled is not None:
        rows = list(pooled.cpu().split(1))
    return [EncodedText(*each) for each in zip(hidden.split(1), rows, strict=True)]


def _encoders(model: LoadedModel, options: EncodeOptions) -> list[ClipEncoder]:
    pipeline: Any = model.pipeline
    pairs = [(pipeline.tokenizer, pipeline.text_encoder)]
    is_xl = hasattr(pipeline, "text_encoder_2")
    if is_xl:
        pairs.append((pipeline.tokenizer_2, pipeline.text_encoder_2))
    pairs = [pair for pair in pairs if pair[1] is not None]  # a refiner has the second alone
    widths = [module.config.hidden_size for _, module in pairs]
    vectors = [read_vectors(each, widths) for each in options.embeddings]
    return [
        ClipEncoder(
            tokenizer=tokenizer,
            module=module,
            device=model.execution_device,
            # SDXL was trained on the layer before the last, without the final norm.
            layer=max(options.clip_skip, 2) if is_xl else options.clip_skip,
            has_norm=not is_xl,
            comma_backtrack=options.comma_backtrack,
            embeddings=[each[number] for each in vectors],
        )
        for number, (tokenizer, module) in enumerate(pairs)
    ]


def _forces_zeros(model: LoadedModel) -> bool:
    return bool(model.pipeline.config.get("force_zeros_for_empty_prompt", True))
