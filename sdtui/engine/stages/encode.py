"""From prompts to embeddings: encoding, remembering, and saying which words are cut."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import torch

from sdtui.models import TokenCounter
from sdtui.requests.record import Truncation

_REMEMBERED = 32
"""Prompts. SDXL's embeddings of one are 77 x 2048 x 2 values, about 1 MB."""

Embeddings = dict[str, torch.Tensor]
"""The arguments of a pipeline's call that stand for the prompts, for one picture, on the CPU."""


class PromptEncoder:
    """Encodes prompts for one loaded pipeline of the Stable Diffusion families and remembers
    what it has encoded, so that the same prompt with another seed runs no text encoder."""

    def __init__(self) -> None:
        self._remembered: OrderedDict[tuple[str, str, bool], Embeddings] = OrderedDict()

    def encode(
        self, pipeline: Any, prompt: str, negative_prompt: str, *, guidance: bool
    ) -> Embeddings:
        """The embeddings of a prompt pair; `guidance` = whether the negative one is needed."""
        key = (prompt, negative_prompt if guidance else "", guidance)
        if key in self._remembered:
            self._remembered.move_to_end(key)
            return self._remembered[key]
        embeddings = _encode(pipeline, prompt, negative_prompt, guidance)
        self._remembered[key] = embeddings
        if len(self._remembered) > _REMEMBERED:
            self._remembered.popitem(last=False)
        return embeddings

    def forget(self) -> None:
        """Drop everything that is remembered."""
        self._remembered.clear()


def _encode(
    pipeline: Any,
    prompt: str,
    negative_prompt: str,
    guidance: bool,
) -> Embeddings:
    names = ["prompt_embeds", "negative_prompt_embeds"]
    if hasattr(pipeline, "text_encoder_2"):
        names += ["pooled_prompt_embeds", "negative_pooled_prompt_embeds"]
    with torch.no_grad():
        tensors = pipeline.encode_prompt(
            prompt=prompt,
            device=pipeline._execution_device,
            num_images_per_prompt=1,
            do_classifier_free_guidance=guidance,
            # An empty negative prompt is none: SDXL then takes zeros, as diffusers does.
            negative_prompt=negative_prompt or None,
        )
    return {
        name: tensor.cpu()
        for name, tensor in zip(names, tensors, strict=True)
        if tensor is not None
    }


def find_truncations(
    counters: Mapping[str, TokenCounter], prompt: str, negative_prompt: str
) -> tuple[Truncation, ...]:
    """What each text encoder will not see of either prompt."""
    truncations = []
    for encoder, counter in counters.items():
        for field, text in (("prompt", prompt), ("negative_prompt", negative_prompt)):
            count = counter.count(text)
            if count.cut_from is not None:
                truncations.append(
                    Truncation(
                        field=field,
                        encoder=encoder,
                        tokens=count.tokens,
                        limit=count.limit,
                        start=count.cut_from,
                        cut=text[count.cut_from :],
                    )
                )
    return tuple(truncations)
