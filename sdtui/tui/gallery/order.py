"""The order of pictures in the gallery, in groups: the pictures of a job together, single pictures
by day."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass

FORMING = 2**63 - 1
"""Stands for the picture that is being made, among ids of entries: it is newer than all."""


@dataclass(frozen=True)
class Group:
    """Consecutive places of the gallery under one heading."""

    start: int
    """The first place."""
    count: int
    is_job: bool
    """True for the pictures of one job, which are in the job's order; single pictures are newest
    first."""


@dataclass(frozen=True)
class Order:
    """Ids by place. A hundred thousand take about 1 MB."""

    ids: Sequence[int] = ()
    starts: Sequence[int] = ()
    """The first place of each group."""
    newest: Sequence[int] = ()
    """The largest id of each group, negated: bisect needs rising numbers."""
    jobs: bytes = b""
    """For each group: 1 if it is a job's."""
    pictures: int = 0
    """How many finished pictures there are."""

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def first_finished(self) -> int:
        """The first place of a finished picture; 0 if there is none."""
        return int(len(self.ids) > 1 and self.ids[0] == FORMING)

    def group(self, number: int) -> Group:
        """Return a group by its number."""
        start = self.starts[number]
        after = self.starts[number + 1] if number + 1 < len(self.starts) else len(self.ids)
        return Group(start, after - start, bool(self.jobs[number]))

    def group_at(self, place: int) -> Group:
        """Return the group of a place."""
        return self.group(bisect_right(self.starts, place) - 1)

    def begins_group(self, place: int) -> bool:
        """True if a place is the first of its group."""
        return self.starts[bisect_right(self.starts, place) - 1] == place

    def place_of(self, entry: int) -> int | None:
        """Return the place of an id; None if it isn't listed."""
        number = bisect_right(self.newest, -entry) - 1
        if number < 0:
            return None
        group = self.group(number)
        first, after = group.start, group.start + group.count
        if self.ids[first] == FORMING:
            if entry == FORMING:
                return first
            first += 1
        if group.is_job:
            place = bisect_left(self.ids, entry, first, after)
        else:
            place = bisect_left(self.ids, -entry, first, after, key=_negated)
        return place if place < after and self.ids[place] == entry else None

    def place_near(self, before: Order, place: int) -> int:
        """Return where the picture is that another order had at `place`, or else the next one that
        is still listed."""
        after = range(place, min(place + _NEARBY, len(before)))
        for each in (*after, *range(place - 1, max(-1, place - _NEARBY), -1)):
            found = self.place_of(before.ids[each])
            if found is not None:
                return found
        return max(0, min(place, len(self) - 1))


_NEARBY = 200
"""Places after and before one that are looked through; more are never removed by one key."""


def _negated(number: int) -> int:
    return -number


def arranged(
    ids: Sequence[int],
    run_length: int,
    day_start: Callable[[int], int] | None,
    forming_since: int | None = None,
    positions: int | None = None,
) -> Order:
    """Return the order of pictures whose ids are given newest first. Not for the app's thread.

    Ids that are equal without the remainder of `run_length` are one job's; given `positions`, only
    if that remainder is smaller. `day_start` returns the smallest id of the day of an id; without
    it single pictures aren't parted by days. With `forming_since` the picture in progress comes
    first, together with its job's: those with at least this id.
    """
    order, starts, newest, jobs = array("q"), array("q"), array("q"), bytearray()
    position, count = 0, len(ids)
    if forming_since is not None:
        while position < count and ids[position] >= forming_since:
            position += 1
        order.append(FORMING)
        order.extend(reversed(ids[:position]))
        starts.append(0)
        newest.append(-FORMING)
        jobs.append(1)
    day = None
    while position < count:
        first = ids[position]
        run = first // run_length
        end = position + 1
        is_alone = positions is not None and first % run_length >= positions
        while not is_alone and end < count and ids[end] // run_length == run:
            end += 1
        is_job = end - position > 1
        is_new_day = not is_job and day_start is not None and (day is None or first < day)
        if is_job or is_new_day or not jobs or jobs[-1]:
            starts.append(len(order))
            newest.append(-first)
            jobs.append(is_job)
            day = None if is_job or day_start is None else day_start(first)
        order.extend(reversed(ids[position:end]) if is_job else ids[position:end])
        position = end
    return Order(order, starts, newest, bytes(jobs), count)
