"""Where each picture of the gallery is drawn."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

from sdtui.tui.gallery.order import Order

_NARROW = 46
"""Up to this many columns cells are narrower, so that there are four."""
_SMALLEST, _LARGEST = 7, 64
"""Limits of the width of a cell in columns, with the gap beside it."""


@dataclass(frozen=True)
class CellShape:
    """The size of cells: a picture and a line for its caption."""

    columns: int
    """How many cells are in a row."""
    width: int
    picture_height: int
    """0 in the list, where the caption is all there is."""

    @property
    def is_list(self) -> bool:
        """True if there is a line for each picture."""
        return self.picture_height == 0

    @property
    def height(self) -> int:
        """Lines of a cell."""
        return self.picture_height + 1

    def left(self, column: int) -> int:
        """Return where a cell begins, after the gap before it."""
        return 0 if self.is_list else 1 + column * (self.width + 1)


def cell_shape(columns: int, pitch: float | None = None) -> CellShape:
    """Return the cells that fill a gallery of so many columns and come nearest to a pitch, or to
    the usual one: the columns from a cell to the next. A square picture fills its cell."""
    if pitch is None:
        pitch = 11 if columns <= _NARROW else 13
    count = max(1, round(columns / pitch))
    fitting = max(4, columns // count - 1)
    return CellShape(count, fitting, (fitting + 1) // 2)


def other_pitch(columns: int, shape: CellShape, more: int) -> float:
    """Return the pitch with which so many more cells are in a row of a gallery, within limits."""
    pitch = columns / max(1, shape.columns + more)
    return pitch if _SMALLEST <= pitch <= _LARGEST else columns / shape.columns


def list_shape(columns: int) -> CellShape:
    """Return the cells of a list: one line for each picture."""
    return CellShape(1, columns, 0)


@dataclass(frozen=True)
class Row:
    """A row of cells."""

    first: int
    """The first place."""
    after: int
    """The place after the last one."""
    has_headings: bool
    """True if groups begin here: their headings are in a line above the cells."""

    def __contains__(self, place: int) -> bool:
        return self.first <= place < self.after


@dataclass(frozen=True)
class GridLayout:
    """Rows of cells, below a line of headings where groups begin. The pictures of a job begin a new
    row if they don't fit in what is left of one; single pictures fill what is left."""

    order: Order
    shape: CellShape

    @cached_property
    def _firsts(self) -> Sequence[int]:
        """The first place of each row."""
        columns, starts, jobs = self.shape.columns, self.order.starts, self.order.jobs
        firsts, filled = array("q"), columns
        for number, (start, after) in enumerate(zip(starts, self._ends(), strict=True)):
            space = columns - filled
            if jobs[number] and after - start > space:
                space = 0
            firsts.extend(range(start + space, after, columns))
            rest = after - start - space
            filled = columns - space + after - start if rest <= 0 else (rest - 1) % columns + 1
        return firsts

    @cached_property
    def _tops(self) -> Sequence[int]:
        """The first line of each row, and the line below the last one."""
        lines = array("q", [self.shape.height]) * len(self._firsts)
        if not self.shape.is_list:
            for start in self.order.starts:
                lines[self._number(start)] = self.shape.height + 1
        return array("q", accumulate(lines, initial=0))

    def _ends(self) -> Iterator[int]:
        yield from self.order.starts[1:]
        if self.order.starts:
            yield len(self.order)

    @property
    def height(self) -> int:
        """Lines of the whole gallery."""
        return self._tops[-1]

    def row(self, number: int) -> Row:
        """Return a row by its number."""
        is_last = number + 1 >= len(self._firsts)
        after = len(self.order) if is_last else self._firsts[number + 1]
        lines = self._tops[number + 1] - self._tops[number]
        return Row(self._firsts[number], after, lines > self.shape.height)

    def row_at(self, line: int) -> tuple[Row, int] | None:
        """Return the row of a line and which line of its cells that is, -1 for that of headings;
        None below the last."""
        number = bisect_right(self._tops, line) - 1
        if not 0 <= number < len(self._firsts):
            return None
        row = self.row(number)
        return row, line - self._tops[number] - row.has_headings

    def _number(self, place: int) -> int:
        return bisect_right(self._firsts, place) - 1

    def lines(self, place: int) -> range:
        """Return the lines of a place's row."""
        number = self._number(place)
        return range(self._tops[number], self._tops[number + 1])

    def column(self, place: int) -> int:
        """Return the column of a place, from 0."""
        return place - self._firsts[self._number(place)]

    def place_at(self, x: int, line: int) -> int | None:
        """Return the place under a point; None between the cells."""
        found = self.row_at(line)
        if found is None:
            return None
        row = found[0]
        column = 0 if self.shape.is_list else x // (self.shape.width + 1)
        place = row.first + min(column, self.shape.columns - 1)
        return place if place in row else None

    def row_away(self, place: int, rows: int) -> int:
        """Return the place so many rows below (or above) another, in its column if the row reaches
        so far. Stays within the gallery."""
        number = self._number(place)
        beyond = max(0, min(number + rows, len(self._firsts) - 1))
        if beyond == number:
            return place
        row = self.row(beyond)
        return min(row.first + self.column(place), row.after - 1)

    def places(self, first_line: int, lines: int) -> range:
        """Return the places that are on some lines."""
        first = bisect_right(self._tops, max(0, first_line)) - 1
        last = min(bisect_right(self._tops, first_line + lines - 1), len(self._firsts)) - 1
        return range(self.row(first).first, self.row(last).after) if first <= last else range(0)
