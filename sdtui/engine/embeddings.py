"""Prompt embeddings and their cache."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass

import torch

_CACHED = 32
"""Number of prompts. An SDXL prompt has about 77 x 2048 x 2 values (1 MB)."""

Embeddings = dict[str, torch.Tensor]
"""Arguments of a pipeline's call that replace the prompts, for one picture, on the CPU:
`prompt_embeds` and `negative_prompt_embeds` of shape 1 x tokens x width, and for SDXL
`pooled_prompt_embeds` and `negative_pooled_prompt_embeds` of shape 1 x width. Without guidance
there are no negative ones. Empty if the pipeline's call encodes the prompts itself."""


@dataclass(frozen=True)
class Encoding:
    """Everything that embeddings depend on besides the loaded model: the key of their cache."""

    prompt: str
    negative_prompt: str
    """Empty without guidance."""
    guidance: bool
    """True if the negative prompt is needed."""
    of_features: Hashable = ()
    """The sections of the run's features that may change the encoding."""


class EmbeddingCache:
    """An LRU cache of embeddings, so that the same prompt with another seed isn't encoded again.
    Belongs to one loaded model."""

    def __init__(self) -> None:
        self._cached: OrderedDict[Encoding, Embeddings] = OrderedDict()

    def get(self, encoding: Encoding, encode: Callable[[], Embeddings]) -> Embeddings:
        """Return the embeddings for an encoding, calling `encode` if they aren't cached."""
        if encoding in self._cached:
            self._cached.move_to_end(encoding)
            return self._cached[encoding]
        embeddings = encode()
        self._cached[encoding] = embeddings
        if len(self._cached) > _CACHED:
            self._cached.popitem(last=False)
        return embeddings

    def clear(self) -> None:
        self._cached.clear()
