"""Decides which results read from the history are still to be listed.

They are read on other threads and may arrive in any order, while the user types a search and new
pictures are saved.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

TRASH = "is:trash"
"""The search that lists the trash."""


@dataclass(frozen=True)
class Load:
    """One read of a search's results."""

    query: str
    number: int
    """Loads are numbered in the order in which they start."""


class GallerySearch:
    """Two queries: the one in the search line and the one with the listed results. They differ
    while the former is being read, and while it is invalid."""

    def __init__(self) -> None:
        self.entered = ""
        self.listed = ""
        self._number = 0
        self._newest = 0
        """The number of the load that was listed last. Loads of the same query that started earlier
        and end later are outdated."""
        self._answered = asyncio.Event()
        self._answered.set()

    def enter(self, query: str) -> Load:
        """Return the load for a new text in the search line."""
        self.entered = query
        self._answered.clear()
        return self._begin(query)

    def reload(self) -> list[Load]:
        """Return the loads after pictures changed: the listed results again, and the search that is
        under way, since it may have missed the change."""
        loads = [self._begin(self.listed)]
        if not self.is_answered and self.entered != self.listed:
            loads.append(self._begin(self.entered))
        return loads

    def _begin(self, query: str) -> Load:
        self._number += 1
        return Load(query, self._number)

    def answers(self, load: Load) -> bool:
        """True if a load reads the query in the search line."""
        return load.query == self.entered

    def end(self, load: Load) -> None:
        """Called when a load has ended or failed; wakes those who wait for the search line's
        results."""
        if self.answers(load):
            self._answered.set()

    def accept(self, load: Load) -> bool:
        """Register that results were read. Returns True if they should be listed."""
        if load.query == self.listed and load.number < self._newest:
            return False
        if self.answers(load):
            self.listed = load.query
        if load.query != self.listed:
            return False
        self._newest = load.number
        return True

    @property
    def is_answered(self) -> bool:
        """True if the search line's results are listed or its query was found to be invalid."""
        return self._answered.is_set()

    async def wait(self) -> None:
        """Wait until the search line is answered."""
        await self._answered.wait()
