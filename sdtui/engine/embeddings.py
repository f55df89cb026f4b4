"""Embeddings of prompts, and a cache of them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable

import torch

_CACHED = 32
"""Prompts. SDXL's embeddings of one are 77 x 2048 x 2 values, about 1 MB."""

Embeddings = dict[str, torch.Tensor]
"""The arguments of a pipeline's call that stand for a prompt and its negative prompt, for one
picture, on the CPU: `prompt_embeds` and `negative_prompt_embeds` of shape 1 x tokens x width, and
for SDXL `pooled_prompt_embeds` and `negative_pooled_prompt_embeds` of shape 1 x width. Without
guidance the negative ones are missing. Empty where the pipeline's call encodes the prompts."""


class EmbeddingCache:
    """The embeddings that were used last, so that the same prompt with another seed runs no text
    encoder. Belongs to one loaded model."""

    def __init__(self) -> None:
        self._cached: OrderedDict[Hashable, Embeddings] = OrderedDict()

    def get(self, key: Hashable, encode: Callable[[], Embeddings]) -> Embeddings:
        """The embeddings of a key, by `encode` if they aren't cached. The key must hold all that
        they depend on."""
        if key in self._cached:
            self._cached.move_to_end(key)
            return self._cached[key]
        embeddings = encode()
        self._cached[key] = embeddings
        if len(self._cached) > _CACHED:
            self._cached.popitem(last=False)
        return embeddings

    def clear(self) -> None:
        """Drop everything."""
        self._cached.clear()
