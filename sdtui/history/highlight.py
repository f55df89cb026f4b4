"""Where the words of a search stand in a prompt."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

from sdtui.history.search import searched_words

Span = tuple[int, int]
"""First character and the one after the last."""


def found_in(text: str, query: str) -> list[Span]:
    """Return where a prompt has the words of a search, in order and without overlaps.

    Only words and phrases for the prompt count, not fields and not what is left out. As in the
    search, case and accents make no difference, and a word may go on.
    """
    patterns = [_pattern(words) for words in searched_words(query)]
    if not patterns:
        return []
    plain, places = _plain(text)
    found = sorted(
        (match.start(), match.end())
        for pattern in patterns
        for match in pattern.finditer(plain)
        if match.end() > match.start()
    )
    spans: list[Span] = []
    for first, after in found:
        start, end = places[first], places[after - 1] + 1
        if spans and start < spans[-1][1]:
            spans[-1] = (spans[-1][0], max(spans[-1][1], end))
        else:
            spans.append((start, end))
    return spans


def _plain(text: str) -> tuple[str, Sequence[int]]:
    """Return a text without case, accents and differences of width, and which character of the
    text each of its characters comes from."""
    folded = [(index, each) for index, character in enumerate(text) for each in _folded(character)]
    return "".join(each for _, each in folded), [index for index, _ in folded]


@lru_cache(4096)
def _folded(character: str) -> str:
    plain = unicodedata.normalize("NFKD", character).casefold()
    return "".join(each for each in plain if not unicodedata.combining(each))


def _pattern(words: str) -> re.Pattern[str]:
    """Return the pattern of words that follow one another; the first begins a word, unless its
    script has no spaces."""
    parts = re.findall(r"\w+|[^\w\s]", _plain(words)[0])
    start = r"(?<![a-z0-9_])" if parts and parts[0].isascii() else ""
    return re.compile(start + r"\W*".join(map(re.escape, parts)))
