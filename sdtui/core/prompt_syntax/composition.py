"""Parts of a prompt joined by AND, each with a weight."""

from __future__ import annotations

import re
from typing import NamedTuple

_AND = re.compile(r"\bAND\b")
_NUMBER = re.compile(r"[-+]?(?:\d+\.?|\d*\.\d+)")


class Part(NamedTuple):
    """A part of a prompt that is denoised by itself."""

    text: str
    weight: float = 1.0


def split_parts(text: str) -> tuple[Part, ...]:
    """Return the parts of a prompt: `a AND b :0.5`. Without AND it is one part, and a number at
    its end is text: `clock showing 12:30` (A1111 takes the 30 for a weight)."""
    texts = _AND.split(text)
    return (Part(text),) if len(texts) == 1 else tuple(_part(each) for each in texts)


def _part(text: str) -> Part:
    before, colon, number = text.rpartition(":")
    if colon and _NUMBER.fullmatch(number.strip()):
        return Part(before.rstrip(), float(number))
    return Part(text.rstrip())
