"""The entries around the visible part of the gallery, read as they are needed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sdtui.history import Entry

_MOST = 1000


class KnownEntries:
    """Entries by id. After a change all are read again, and the old ones are shown meanwhile."""

    def __init__(self) -> None:
        self._entries: dict[int, Entry] = {}
        self._fresh: set[int] = set()
        """Ids that were read since the last change, found or not."""
        self._change = 0

    @property
    def change(self) -> int:
        """The number of changes so far."""
        return self._change

    def get(self, entry: int) -> Entry | None:
        """Return an entry if it was read."""
        return self._entries.get(entry)

    def outdate(self) -> None:
        """Read every entry again when it is needed next."""
        self._fresh.clear()
        self._change += 1

    def clear(self) -> None:
        """Forget every entry."""
        self._entries.clear()
        self._fresh.clear()

    def missing(self, ids: Iterable[int]) -> list[int]:
        """Return those ids that have to be read."""
        return [each for each in ids if each not in self._fresh]

    def add(self, ids: Sequence[int], entries: Iterable[Entry], change: int) -> None:
        """Add what was read for some ids when there had been so many changes."""
        if change == self._change:
            self._fresh.update(ids)
        for entry in entries:
            self._entries.pop(entry.id, None)  # the last in order is the one that was read last
            self._entries[entry.id] = entry
        while len(self._entries) > max(_MOST, len(ids)):
            oldest = next(iter(self._entries))
            del self._entries[oldest]
            self._fresh.discard(oldest)
