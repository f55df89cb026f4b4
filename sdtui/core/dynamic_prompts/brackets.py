"""Which brackets of a dynamic prompt belong together, found in one pass."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass, field

_TOKEN = re.compile(r"\\.|[{}\[\]|]", re.DOTALL)
DEEPEST = 30
"""Braces inside braces; deeper ones are literal."""


@dataclass
class _Open:
    place: int
    is_brace: bool
    is_literal: bool = False
    bars: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Brace:
    """A pair of braces."""

    end: int
    """The place of the closing one."""
    bars: tuple[int, ...]
    """The places of the `|` between its options, not of those inside square brackets, which
    A1111 alternates, or in inner braces."""


def matched_braces(text: str) -> dict[int, Brace]:
    """Return the pairs of braces by the place of the opening one. Braces without a partner are
    left out, and so are escaped ones."""
    found: dict[int, Brace] = {}
    opened: list[_Open] = []
    braces = 0
    for token in _TOKEN.finditer(text):
        place, character = token.start(), token[0]
        if character == "{":
            braces += 1
            opened.append(_Open(place, is_brace=True, is_literal=braces > DEEPEST))
        elif character == "[":
            opened.append(_Open(place, is_brace=False))
        elif character == "|" and opened:
            opened[-1].bars.append(place)
        elif character == "]" and opened and not opened[-1].is_brace:
            opened.pop()
        elif character == "}" and braces:
            braces -= 1
            unmatched: list[list[int]] = []
            while not opened[-1].is_brace:
                unmatched.append(opened.pop().bars)
            brace = opened.pop()
            if not brace.is_literal:
                bars = (brace.bars, *reversed(unmatched))
                found[brace.place] = Brace(place, tuple(itertools.chain(*bars)))
    return found
