"""Long lists of ids, as what differs from a list that the client has."""

from __future__ import annotations

import hashlib
from array import array
from collections import OrderedDict
from collections.abc import Sequence
from itertools import accumulate, pairwise

from pydantic import BaseModel

_KEPT = 8
"""Lists that are remembered at each end."""


class SentIds(BaseModel):
    """A list of ids."""

    tag: str
    """Of the whole list."""
    front: int = 0
    """How many ids of the known list come first,"""
    back: int = 0
    """and how many last."""
    steps: list[int] = []
    """What is between: the first id, and then by how much each differs from the one before."""


class KnownIds:
    """The last lists, by their tags. Used with its owner's lock held."""

    def __init__(self) -> None:
        self._lists: OrderedDict[str, array[int]] = OrderedDict()

    def write(self, ids: Sequence[int], known: str) -> SentIds:
        """Return what to send to a client that has the list of the tag `known`."""
        new = ids if isinstance(ids, array) else array("q", ids)
        old = self._lists.get(known, array("q"))
        front = _common(old, new)
        most = min(len(old), len(new)) - front
        back = _common(old[: -most - 1 : -1], new[: -most - 1 : -1]) if most else 0
        between = new[front : len(new) - back]
        steps = [*between[:1], *(after - before for before, after in pairwise(between))]
        return SentIds(tag=self.keep(new), front=front, back=back, steps=steps)

    def read(self, sent: SentIds, known: str) -> array[int]:
        """Return the list that was sent to a client with the list of the tag `known`."""
        old = self._lists.get(known, array("q"))
        between = array("q", accumulate(sent.steps))
        new = old[: sent.front] + between + old[len(old) - sent.back :]
        self.keep(new)
        return new

    def keep(self, ids: array[int]) -> str:
        """Remember a list; return its tag."""
        tag = hashlib.sha256(ids.tobytes()).hexdigest()[:16]
        self._lists[tag] = ids
        self._lists.move_to_end(tag)
        while len(self._lists) > _KEPT:
            self._lists.popitem(last=False)
        return tag


def _common(one: array[int], other: array[int]) -> int:
    """Return how many values two lists begin with in common."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
