"""Emphasis: `(more)`, `[less]`, `(text:1.3)`, escapes, and BREAK."""

from __future__ import annotations

import re
from typing import NamedTuple

_TOKEN = re.compile(r"\\[()\[\]\\]?|[(\[\])]|:\s*([+-]?[.\d]+)\s*\)|[^\\()\[\]:]+|:")
_BREAK = re.compile(r"\bBREAK\b")
_ROUND, _SQUARE = 1.1, 1 / 1.1
_DEEPEST = 64
"""Brackets nested deeper change no weight any more: 1.1 to the power of 64 is 446. Thus the time
is proportional to the length of the text."""


class Weighted(NamedTuple):
    """A piece of a prompt and its weight."""

    text: str
    weight: float = 1.0


Group = tuple[Weighted, ...]
"""What stands between two BREAKs; adjacent pieces have different weights."""


def parse_attention(text: str) -> tuple[Group, ...]:
    """Return the pieces of a text with their weights, in groups that BREAK separates. Brackets that
    are never closed reach to the end of the text; a number that is none is text.

    The rules are those of `parse_prompt_attention` in A1111's modules/prompt_parser.py, except that
    BREAK has no weight and stays a BREAK in brackets.
    """
    parser = _Parser()
    for match in _TOKEN.finditer(text):
        parser.take(match[0], match[1])
    return parser.groups()


class _Parser:
    def __init__(self) -> None:
        self._texts: list[str | None] = []
        """None = BREAK."""
        self._weights: list[float] = []
        self._round: list[int] = []
        self._square: list[int] = []
        """Where the brackets begin that are open."""

    def take(self, token: str, number: str | None) -> None:
        """Take the next token; `number` is that of a token such as ":1.3)"."""
        if token.startswith("\\"):
            self._add(token[1:])
        elif token == "(":
            self._round.append(len(self._texts))
        elif token == "[":
            self._square.append(len(self._texts))
        elif number is not None and self._round:
            multiplier = _float(number)
            if multiplier is None:
                self._add(token[:-1])
                multiplier = _ROUND
            self._close(self._round, multiplier)
        elif token == ")" and self._round:
            self._close(self._round, _ROUND)
        elif token == "]" and self._square:
            self._close(self._square, _SQUARE)
        else:
            self._add_with_breaks(token)

    def groups(self) -> tuple[Group, ...]:
        """Return what was taken, with equal neighbours joined."""
        for opened, multiplier in ((self._round, _ROUND), (self._square, _SQUARE)):
            while opened:
                self._close(opened, multiplier)
        groups: list[list[tuple[list[str], float]]] = [[]]
        for text, weight in zip(self._texts, self._weights, strict=True):
            group = groups[-1]
            if text is None:
                groups.append([])
            elif group and group[-1][1] == weight:
                group[-1][0].append(text)
            else:
                group.append(([text], weight))
        return tuple(
            tuple(Weighted("".join(texts), weight) for texts, weight in group)
            if group
            else (Weighted(""),)
            for group in groups
        )

    def _add(self, text: str | None) -> None:
        self._texts.append(text)
        self._weights.append(1.0)

    def _add_with_breaks(self, text: str) -> None:
        first, *others = _BREAK.split(text)
        for other in others:
            self._add(first.rstrip())
            self._add(None)
            first = other.lstrip()
        self._add(first)

    def _close(self, opened: list[int], multiplier: float) -> None:
        start = opened.pop()
        if len(opened) < _DEEPEST:
            for place in range(start, len(self._weights)):
                self._weights[place] *= multiplier


def _float(number: str) -> float | None:
    try:
        return float(number)
    except ValueError:
        return None
