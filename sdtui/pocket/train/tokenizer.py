"""A tokenizer in CLIP's format: one token for every word of the captions, bytes for the rest."""

import re
from collections import Counter
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

from tokenizers.pre_tokenizers import ByteLevel
from transformers import CLIPTokenizer

MAX_TOKENS = 77
"""Like CLIP: 75 for the text, one for its start, one for its end."""
_START, _END = "<|startoftext|>", "<|endoftext|>"
_WORD_END = "</w>"


def new_tokenizer(texts: Iterable[str]) -> CLIPTokenizer:
    """Build the tokenizer; every word in `texts` becomes one token."""
    words = {word for text in texts for word in re.findall(r"[a-z]+", text.lower())}
    merges: Any = _merges(words)  # pairs, as the backend expects, though the type hints say strings
    letters = sorted(ByteLevel.alphabet())
    tokens = [*letters, *(letter + _WORD_END for letter in letters)]
    tokens += [a + b for a, b in merges]
    # CLIP models take the highest id for the end of the text.
    vocabulary = {token: number for number, token in enumerate([*tokens, _START, _END])}
    return CLIPTokenizer(
        vocab=vocabulary,
        merges=merges,
        unk_token=_END,
        bos_token=_START,
        eos_token=_END,
        pad_token=_END,
        model_max_length=MAX_TOKENS,
    )


def _merges(words: Iterable[str]) -> list[tuple[str, str]]:
    """Byte-pair merges, most frequent pair first, until every word is one token."""
    split = [[*word[:-1], word[-1] + _WORD_END] for word in sorted(words)]
    merges = []
    while pairs := Counter(pair for parts in split for pair in pairwise(parts)):
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        split = [_merge(parts, best) for parts in split]
    return merges


def _merge(parts: list[str], pair: tuple[str, str]) -> list[str]:
    merged: list[str] = []
    for part in parts:
        if merged and (merged[-1], part) == pair:
            merged[-1] += part
        else:
            merged.append(part)
    return merged
