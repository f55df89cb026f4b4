"""Reading what the gallery lists. For other threads than the app's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sdtui.core.text import counted
from sdtui.core.units import data_size
from sdtui.tui.gallery.order import FORMING, Order, arranged
from sdtui.tui.gallery.search import TRASH

if TYPE_CHECKING:
    from sdtui.history import Entry
    from sdtui.jobs import Pictures

_AT_ONCE = 60
"""Entries that are read together with the ids: more than are visible."""
_RECENT = 100


@dataclass(frozen=True)
class Wanted:
    """What is to be listed."""

    query: str
    current: int | None
    """The id with the cursor; the entries around it are read too."""
    has_forming: bool = False
    """True while a job runs."""
    forming_since: int | None = None
    """The smallest id of the running job's pictures; None until it was found out, which is once it
    has begun, when all pictures of earlier jobs are saved."""
    seen: int | None = None
    """The newest id when the search began; what is newer and doesn't match is counted."""


@dataclass(frozen=True)
class Listing:
    """What was found."""

    order: Order
    entries: tuple[Entry, ...]
    """Those around the cursor and the first; of the trash all."""
    newest: int
    """The largest id in the whole history; 0 if there is none."""
    not_matching: int = 0
    """How many pictures are newer than the search and don't match it."""
    is_filtered: bool = False
    trash_bytes: int | None = None
    """The size of the trash, if that is listed."""

    @property
    def empty_text(self) -> str:
        """What stands in an empty list."""
        if self.trash_bytes is not None:
            return "The trash is empty."
        return "Nothing was found." if self.is_filtered else "No pictures yet."

    @property
    def found(self) -> str:
        """What stands after the number of pictures."""
        return " found" if self.is_filtered else ""

    @property
    def notes(self) -> list[str]:
        """What else there is to know."""
        notes = []
        if self.not_matching:
            verb = "doesn't" if self.not_matching == 1 else "don't"
            notes.append(f"{counted(self.not_matching, 'new picture')} {verb} match")
        if self.trash_bytes:
            notes.append(f"{data_size(self.trash_bytes)} · u restore, d delete")
        return notes


def read_listing(pictures: Pictures, wanted: Wanted) -> Listing:
    """Return what a search finds, in order. Raises InvalidRequestError for a wrong search, and
    other SdtuiErrors."""
    from sdtui.history import IDS_PER_MILLISECOND, POSITIONS, first_id_of_day

    if wanted.query.strip() == TRASH:
        return _read_trash(pictures)
    ids = pictures.ids(wanted.query)
    is_filtered = bool(wanted.query.strip())
    day = None if is_filtered else first_id_of_day
    recent = (
        [entry.id for entry in pictures.entries(limit=_RECENT).entries] if is_filtered else ids[:1]
    )
    newest = max(recent, default=0)
    since = wanted.forming_since
    if wanted.has_forming and since is None:
        since = newest + 1
    order = arranged(ids, IDS_PER_MILLISECOND, day, since, POSITIONS)
    entries = pictures.entries_of(_around(order, wanted.current))
    if not is_filtered:
        return Listing(order, entries, newest)
    seen = newest if wanted.seen is None else wanted.seen
    others = sum(each > seen and order.place_of(each) is None for each in recent)
    return Listing(order, entries, newest, others, is_filtered=True)


def _around(order: Order, current: int | None) -> Sequence[int]:
    place = None if current is None else order.place_of(current)
    near = range(0) if place is None else range(max(0, place - _AT_ONCE), place + _AT_ONCE)
    places = dict.fromkeys((*range(_AT_ONCE), *near))
    return [order.ids[each] for each in places if each < len(order) and order.ids[each] != FORMING]


def _read_trash(pictures: Pictures) -> Listing:
    """List the trash by the time when pictures were put there. Their ids are of this list alone."""
    from sdtui.history import first_id, first_id_of_day

    trash = pictures.list_trash()
    after = None
    entries = []
    for each in trash:
        own = first_id(each.time)
        after = own if after is None else min(own, after - 1)
        entries.append(replace(each.entry, id=after, time=each.time))
    order = arranged([entry.id for entry in entries], 1, first_id_of_day)
    size = sum(each.bytes for each in trash)
    return Listing(order, tuple(entries), 0, trash_bytes=size)
