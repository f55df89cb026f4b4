"""Ways to choose among options."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Protocol


class Chooser(Protocol):
    """Chooses one of several options."""

    def choose(self, weights: Sequence[float]) -> int:
        """Return the place of the chosen option; there is at least one."""
        ...


class RandomChooser:
    """Chooses by the weights, reproducibly from a seed."""

    def __init__(self, seed: str) -> None:
        self._random = random.Random(seed)

    def choose(self, weights: Sequence[float]) -> int:
        if sum(weights) <= 0:
            return self._random.randrange(len(weights))
        return self._random.choices(range(len(weights)), weights)[0]


class CyclicChooser:
    """Chooses the option of a picture's number."""

    def __init__(self, number: int) -> None:
        self._number = number

    def choose(self, weights: Sequence[float]) -> int:
        return self._number % len(weights)


class Odometer:
    """Goes through all combinations of choices, the last choice first. Which choices there are may
    depend on the earlier ones. Nothing is listed in advance."""

    def __init__(self) -> None:
        self._places: list[int] = []
        self._counts: list[int] = []
        self._next = 0

    def choose(self, weights: Sequence[float]) -> int:
        if self._next == len(self._places):
            self._places.append(0)
            self._counts.append(0)
        self._counts[self._next] = len(weights)
        place = min(self._places[self._next], len(weights) - 1)
        self._next += 1
        return place

    def advance(self) -> bool:
        """Go on to the next combination. Returns False if that was the last one; then they begin
        again."""
        del self._places[self._next :], self._counts[self._next :]
        while self._places and self._places[-1] + 1 >= self._counts[-1]:
            self._places.pop()
            self._counts.pop()
        self._next = 0
        if not self._places:
            return False
        self._places[-1] += 1
        return True
