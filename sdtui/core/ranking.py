"""Search by name: which names match what was typed, best first.

Case, accents and the width of letters are ignored; hyphens and underscores are blanks.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import TypeVar

_Item = TypeVar("_Item")

_FIRST_ACCENT_CLASS = 200
"""Unicode's combining classes of accents begin here; below are vowels and the like, which make
another word."""


@dataclass(frozen=True)
class SearchText:
    """The texts of an item that can be searched."""

    name: str
    about: str = ""
    """Further words, which count less than the name."""


class Rank(IntEnum):
    """How well an item matches, best first."""

    EXACT = 0
    LAST_PART = 1
    """What was typed is the last part of a path, of an id or of "place: name", or that without its
    suffix."""
    SAME_WORDS = 2
    """The name or its last part has other signs between the same words: "a b" for "a-b"."""
    PREFIX = 3
    WORD_PREFIX = 4
    """Words of the name begin with the words that were typed."""
    IN_NAME = 5
    IN_TEXTS = 6


def ranked(
    query: str, items: Iterable[_Item], text_of: Callable[[_Item], SearchText]
) -> list[_Item]:
    """Return the items that contain every word of `query`, best first; of the same rank, in their
    order. All items match an empty query."""
    typed = folded(query)
    ranks = ((rank_of(typed, text_of(item)), item) for item in items)
    found = [(rank, item) for rank, item in ranks if rank is not None]
    return [item for _, item in sorted(found, key=lambda pair: pair[0])]


def rank_of(query: str, text: SearchText) -> Rank | None:
    """Return the rank of an item, or None if it doesn't match. `query` is folded."""
    name = folded(text.name)
    last = re.split("/|: ", name.rstrip("/"))[-1]
    last_parts = (last, last.rpartition(".")[0])
    typed = _spaced(query)
    if query == name or not typed:
        return Rank.EXACT
    if query in last_parts:
        return Rank.LAST_PART
    if typed in map(_spaced, (name, *last_parts)):
        return Rank.SAME_WORDS
    name, words = _spaced(name), typed.split()
    if name.startswith(typed):
        return Rank.PREFIX
    if all(re.search(rf"(?<![^\W_]){re.escape(word)}", name) for word in words):
        return Rank.WORD_PREFIX
    if all(word in name for word in words):
        return Rank.IN_NAME
    both = f"{name} {_spaced(folded(text.about))}"
    return Rank.IN_TEXTS if all(word in both for word in words) else None


def folded(text: str) -> str:
    """Return a text as it is compared: without differences of case, accents, width and blanks."""
    parts = unicodedata.normalize("NFKD", text.casefold())
    plain = "".join(each for each in parts if unicodedata.combining(each) < _FIRST_ACCENT_CLASS)
    return " ".join(plain.casefold().split())


def _spaced(text: str) -> str:
    """Return a text with a blank for every sign that stands between words of names."""
    return " ".join(re.split(r"[-_\s]+", text)).strip()
