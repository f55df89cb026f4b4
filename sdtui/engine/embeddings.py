"""Prompt embeddings and their cache."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable

import torch

_CACHED = 32
"""Number of prompts. An SDXL prompt has about 77 x 2048 x 2 values (1 MB)."""

Embeddings = dict[str, torch.Tensor]
"""Arguments of a pipeline's call that replace the prompts, for one picture, on the CPU:
`prompt_embeds` and `negative_prompt_embeds` of shape 1 x tokens x width, and for SDXL
`pooled_prompt_embeds` and `negative_pooled_prompt_embeds` of shape 1 x width. Without guidance
there are no negative ones. Empty if the pipeline's call encodes the prompts itself."""


class EmbeddingCache:
    """An LRU cache of embeddings, so that the same prompt with another seed isn't encoded again.
    Belongs to one loaded model."""

    def __init__(self) -> None:
        self._cached: OrderedDict[Hashable, Embeddings] = OrderedDict()

    def get(self, key: Hashable, encode: Callable[[], Embeddings]) -> Embeddings:
        """Return the embeddings for a key, calling `encode` if they aren't cached. The key must
        contain everything that they depend on."""
        if key in self._cached:
            self._cached.move_to_end(key)
            return self._cached[key]
        embeddings = encode()
        self._cached[key] = embeddings
        if len(self._cached) > _CACHED:
            self._cached.popitem(last=False)
        return embeddings

    def clear(self) -> None:
        self._cached.clear()
