"""A graph over time in one line of Braille signs."""

from __future__ import annotations

from collections.abc import Sequence

_FIRST = 0x2800
_LEFT = (0b01000000, 0b01000100, 0b01000110, 0b01000111)
_RIGHT = (0b10000000, 0b10100000, 0b10110000, 0b10111000)
"""The dots of a column that is 1 to 4 dots high."""


def sparkline(shares: Sequence[float], columns: int) -> str:
    """Return the newest shares, from 0 to 1, two in each of `columns` signs. The lowest dot is
    always set, so that the graph is seen while there is nothing in it."""
    newest = [*shares[-2 * columns :]]
    newest = [0.0] * (2 * columns - len(newest)) + newest
    heights = [min(3, max(0, int(share * 4))) for share in newest]
    pairs = zip(heights[::2], heights[1::2], strict=True)
    return "".join(chr(_FIRST + (_LEFT[left] | _RIGHT[right])) for left, right in pairs)
