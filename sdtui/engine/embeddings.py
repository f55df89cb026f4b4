"""Prompt embeddings and their cache."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field

import torch

from sdtui.core.prompt_syntax import ParsedPart
from sdtui.engine.encode.options import EncodeOptions
from sdtui.engine.remembered import Remembered

_CACHED = 32
"""Number of prompts. An SDXL prompt has about 77 x 2048 x 2 values (1 MB)."""
_MOST_BYTES = 2**28
"""Bytes of all prompts; one is kept in any case. A prompt of Flux has 512 x 4096 values."""
_MOST_TIMES = 16
"""How many times as long as the longest embedding their common length may be."""


@dataclass(frozen=True)
class EncodedText:
    """A text as the denoiser takes it, on the CPU."""

    hidden: torch.Tensor
    """1 x tokens x width."""
    pooled: torch.Tensor | None = None
    """1 x width, for SDXL."""

    def lengthened(self, tokens: int) -> EncodedText:
        """Return a copy that is repeated up to a number of tokens. Whole copies change nothing:
        the attention to each token is divided by their number."""
        length = self.hidden.shape[1]
        if length == tokens:
            return self
        copies = -(-tokens // length)
        return EncodedText(self.hidden.repeat(1, copies, 1)[:, :tokens], self.pooled)

    def zeros(self) -> EncodedText:
        """Return zeros of the same shape."""
        pooled = None if self.pooled is None else torch.zeros_like(self.pooled)
        return EncodedText(torch.zeros_like(self.hidden), pooled)


@dataclass(frozen=True)
class EncodedPart:
    """A part of a prompt, whose text may change by step."""

    texts: tuple[EncodedText, ...]
    until: tuple[int, ...] = (0,)
    """The last call of the denoiser for each text."""
    weight: float = 1.0

    def at(self, call: int) -> EncodedText:
        """Return the text for a call of the denoiser, counted from 0. A text until 3 is used in
        the calls 0 to 3, as in A1111 (`reconstruct_cond_batch` in modules/prompt_parser.py)."""
        return self.texts[min(bisect_left(self.until, call), len(self.texts) - 1)]


@dataclass(frozen=True)
class StepwisePrompts:
    """Prompts that change by step, or of several parts. All texts have the same length."""

    parts: tuple[EncodedPart, ...]
    negative: EncodedPart | None
    """None if it isn't needed."""


@dataclass(frozen=True)
class Embeddings:
    """The prompts of one picture, encoded."""

    arguments: Mapping[str, torch.Tensor] = field(default_factory=dict)
    """Arguments of a pipeline's call that replace the prompts, on the CPU: `prompt_embeds` and
    `negative_prompt_embeds` of shape 1 x tokens x width, and for SDXL `pooled_prompt_embeds` and
    `negative_pooled_prompt_embeds` of shape 1 x width. Without guidance there are no negative
    ones. Empty if the pipeline's call encodes the prompts itself (see `remembered`)."""
    stepwise: StepwisePrompts | None = None
    """Set if `arguments` are right for the first step alone."""
    remembered: Remembered | None = None
    """What the pipeline's own encoders gave in its call, if it encodes the prompts itself."""

    @property
    def nbytes(self) -> int:
        """The bytes of all tensors."""
        given = sum(each.nbytes for each in self.arguments.values())
        return given if self.remembered is None else given + self.remembered.nbytes


def common_length(lengths: Iterable[int]) -> int:
    """Return the number of tokens to which all embeddings can be repeated in whole copies; the
    largest of them if that would be far too many."""
    all_lengths = set(lengths)
    longest = max(all_lengths)
    common = math.lcm(*all_lengths)
    return common if common <= _MOST_TIMES * longest else longest


@dataclass(frozen=True)
class Encoding:
    """Everything that embeddings depend on besides the loaded model: the key of their cache."""

    prompt: tuple[ParsedPart, ...]
    negative_prompt: ParsedPart | None
    """None if it isn't needed: without guidance and AND."""
    guidance: bool
    options: EncodeOptions = EncodeOptions()  # noqa: RUF009  # frozen
    pictures: int = 1
    """The number that is denoised together, where the embeddings are made for them."""
    with_pictures: Hashable = ()
    """What tells the pictures apart that the prompts are encoded together with."""
    of_features: Hashable = ()
    """The sections of the run's features that may change the encoding."""


class EmbeddingCache:
    """An LRU cache of embeddings, so that the same prompt with another seed isn't encoded again.
    Belongs to one loaded model."""

    def __init__(self) -> None:
        self._cached: OrderedDict[Encoding, Embeddings] = OrderedDict()

    def __contains__(self, encoding: Encoding) -> bool:
        return encoding in self._cached

    def get(self, encoding: Encoding, encode: Callable[[], Embeddings]) -> Embeddings:
        """Return the embeddings for an encoding, calling `encode` if they aren't cached."""
        if encoding in self._cached:
            self._cached.move_to_end(encoding)
            return self._cached[encoding]
        embeddings = encode()
        self._cached[encoding] = embeddings
        while self._is_full():
            self._cached.popitem(last=False)
        return embeddings

    def _is_full(self) -> bool:
        count = len(self._cached)
        size = sum(each.nbytes for each in self._cached.values())
        return count > _CACHED or (count > 1 and size > _MOST_BYTES)

    def clear(self) -> None:
        self._cached.clear()
