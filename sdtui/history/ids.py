"""The ids of entries: the time, so that SQLite finds the newest without sorting."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

IDS_PER_MILLISECOND = 1024
"""An id is the time in milliseconds since 1970 times this, plus the picture's position in its run.
Times before 1970 have negative ids."""

POSITIONS = 960
"""Positions in a run are below this. The other ids of a millisecond are of pictures whose own is
taken: of another run at the same time, or of a copy."""

SMALLEST, LARGEST = -(2**63), 2**63 - 1
"""Limits of SQLite's integers, which no time reaches."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LONGEST = datetime.max.replace(tzinfo=UTC) - _EPOCH


def first_id(moment: datetime) -> int:
    """The smallest id of entries of this time."""
    return (moment - _EPOCH) // timedelta(milliseconds=1) * IDS_PER_MILLISECOND


def time_of(entry: int) -> datetime:
    """The time of an entry by its id, in local time."""
    return local_time(_EPOCH + min(timedelta(milliseconds=entry // IDS_PER_MILLISECOND), _LONGEST))


def position_in_run(entry: int) -> int:
    """The position of a picture in its run by its id, from 0."""
    return entry % IDS_PER_MILLISECOND


def first_id_of_day(entry: int) -> int:
    """The smallest id of the day of an entry, in local time."""
    moment = time_of(entry)
    return first_id(
        moment.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None).astimezone()
    )


def local_time(moment: datetime) -> datetime:
    """The same time in the local time zone, or as it is where there is no local time (in the first
    hours of year 1 and in the last ones of year 9999)."""
    try:
        return moment.astimezone()
    except (OverflowError, ValueError):
        return moment
