"""Decides which pages read from the history are still to be listed.

Pages are read on other threads and may arrive in any order, while the user types a search and new
pictures are saved.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass


@dataclass(frozen=True)
class PageLoad:
    """One read of a page."""

    query: str
    offset: int
    number: int
    """Loads are numbered in the order in which they start."""
    replaces: bool
    """True if the page replaces all pages read before; false if it adds to them."""


class HistorySearch:
    """Two queries: the one in the search line and the one with the listed results. They differ
    while the former is being read, and while it is invalid."""

    def __init__(self) -> None:
        self.entered = ""
        self.listed = ""
        self._number = 0
        self._newest_replacement = 0
        """The number of the load that replaced the list last. Loads of the same query that started
        earlier and end later are outdated."""
        self._answered = asyncio.Event()
        self._answered.set()

    def enter(self, query: str) -> PageLoad:
        """Return the load for a new text in the search line."""
        self.entered = query
        self._answered.clear()
        return self._begin(query, 0, replaces=True)

    def reload(self, offset: int) -> list[PageLoad]:
        """Return the loads after pictures changed: the page at `offset` again, and the search that
        is under way, since it may have missed the change."""
        loads = [self.replace_page(offset)]
        if not self.is_answered and self.entered != self.listed:
            loads.append(self._begin(self.entered, 0, replaces=True))
        return loads

    def replace_page(self, offset: int) -> PageLoad:
        """Return the load that lists the current results again, from the page at `offset` on."""
        return self._begin(self.listed, offset, replaces=True)

    def add_page(self, offset: int) -> PageLoad:
        """Return the load of one more page of the current results."""
        return self._begin(self.listed, offset, replaces=False)

    def _begin(self, query: str, offset: int, *, replaces: bool) -> PageLoad:
        self._number += 1
        return PageLoad(query, offset, self._number, replaces)

    def answers(self, load: PageLoad) -> bool:
        """True if a load reads the query in the search line."""
        return load.replaces and load.query == self.entered

    def end(self, load: PageLoad) -> None:
        """Called when a load has ended or failed; wakes those who wait for the search line's
        results."""
        if self.answers(load):
            self._answered.set()

    def accept(self, load: PageLoad) -> bool:
        """Register that a page was read. Returns True if it should be listed."""
        if load.query == self.listed and load.number < self._newest_replacement:
            return False
        if self.answers(load):
            self.listed = load.query
        if load.query != self.listed:
            return False
        if load.replaces:
            self._newest_replacement = load.number
        return True

    @property
    def is_answered(self) -> bool:
        """True if the search line's results are listed or its query was found to be invalid."""
        return self._answered.is_set()

    async def wait(self) -> None:
        """Wait until the search line is answered."""
        await self._answered.wait()
