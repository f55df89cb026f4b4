"""A tokenizer in CLIP's format: one token for every word of the captions, bytes for the rest."""

import json
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

Pair = tuple[str, str]


def new_tokenizer(texts: Iterable[str], known: CLIPTokenizer | None = None) -> CLIPTokenizer:
    """Build the tokenizer; every word in `texts` becomes one token.

    With `known`, its tokens keep their ids and its words their tokens, and the new ones follow;
    only the start and the end of the text stay last, as CLIP takes the highest id for the end.
    """
    words = {word for text in texts for word in re.findall(r"[a-z]+", text.lower())}
    first = known_merges(known) if known else []
    merges: Any = _merges(words, first)  # pairs, as the backend expects; the type hints say strings
    letters = sorted(ByteLevel.alphabet())
    tokens = [*letters, *(letter + _WORD_END for letter in letters)]
    tokens += [a + b for a, b in merges]
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


def known_merges(tokenizer: CLIPTokenizer) -> list[Pair]:
    """The merges of a tokenizer, the most frequent first."""
    merges = json.loads(tokenizer.backend_tokenizer.to_str())["model"]["merges"]
    return [(first, second) for first, second in merges]


def _merges(words: Iterable[str], first: list[Pair]) -> list[Pair]:
    """Byte-pair merges, `first` and then the most frequent pair, until every word is one token."""
    split = [[*word[:-1], word[-1] + _WORD_END] for word in sorted(words)]
    for pair in first:
        split = [_merge(parts, pair) for parts in split]
    merges = list(first)
    while pairs := Counter(pair for parts in split for pair in pairwise(parts)):
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        split = [_merge(parts, best) for parts in split]
    return merges


def _merge(parts: list[str], pair: Pair) -> list[str]:
    merged: list[str] = []
    for part in parts:
        if merged and (merged[-1], part) == pair:
            merged[-1] += part
        else:
            merged.append(part)
    return merged
