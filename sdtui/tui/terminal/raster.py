"""Pictures that the terminal draws over cells, and forgets where text is written: Sixel, and
iTerm2's inline images."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from itertools import count
from typing import NamedTuple

from sdtui.tui.terminal.environment import through_tmux
from sdtui.tui.terminal.tmux import wait_until_visible

MARK = "\U0010eefe"
"""A character that stands for a cell of a picture, and is never sent. The combining characters
after it are the picture's number, and two digits each for the row and column of its first cell."""
_FIRST = 0xE0100
"""The first of 240 variation selectors, which nothing else that is shown contains."""
_MOST = 240
_CACHED = 256
"""Areas that are kept ready. More than a picture has rows, or none would ever be complete."""


class Area(NamedTuple):
    """Cells of a screen or of a picture."""

    top: int
    left: int
    bottom: int
    right: int

    def rows(self) -> list[Area]:
        """Return an area for each of its rows."""
        return [self._replace(top=y, bottom=y + 1) for y in range(self.top, self.bottom)]


class Raster:
    """A picture that is drawn area by area. What is sent for an area is made on another thread."""

    def __init__(
        self, encode: Callable[[Area], tuple[str, ...]], *, around_tmux: bool = False
    ) -> None:
        """`encode` returns the control strings that draw an area; the cursor has to be in its first
        cell before the last of them. `around_tmux` is True if they are for the terminal around
        tmux."""
        self._encode = encode
        self._around_tmux = around_tmux
        self._offset = (0, 0)
        """Rows and columns before the pane."""
        self._encoded: dict[Area, tuple[str, ...]] = {}
        self._asked: set[Area] = set()
        self._lock = threading.Lock()

    def prepare(self, area: Area) -> None:
        """Make what is sent for an area. It takes a while; inside tmux, until the pane is seen."""
        encoded = self._encode(area)
        place = wait_until_visible() if self._around_tmux else None
        with self._lock:
            if place is not None:
                self._offset = (place.row, place.column)
            self._encoded[area] = encoded
            self._asked.discard(area)
            while len(self._encoded) > _CACHED:
                del self._encoded[next(iter(self._encoded))]

    def draw(self, inside: Area, y: int, x: int, ready: Callable[[], object]) -> str | None:
        """Return what draws an area of the picture from a row and column of the screen on. None if
        that isn't made yet; `ready` is called when it is, on another thread."""
        with self._lock:
            known = self._encoded.get(inside)
            if known is not None:
                return self._at(known, y, x)
            if inside in self._asked:
                return None
            self._asked.add(inside)

        def work() -> None:
            self.prepare(inside)
            ready()

        threading.Thread(target=work, name="sdtui-picture", daemon=True).start()
        return None

    def _at(self, strings: tuple[str, ...], y: int, x: int) -> str:
        *first, last = strings
        if not self._around_tmux:
            return "".join((*first, f"\x1b[{y + 1};{x + 1}H", last))
        rows, columns = self._offset
        last = f"\x1b7\x1b[{y + rows + 1};{x + columns + 1}H{last}\x1b8"
        return "".join(map(through_tmux, (*first, last)))


class Rasters:
    """The pictures that are drawn over cells, by number."""

    def __init__(self) -> None:
        self._rasters: dict[int, Raster] = {}
        self._numbers = count()
        self.ready: Callable[[], object] = lambda: None
        """Called on any thread when more can be drawn."""

    def add(self, raster: Raster) -> int:
        """Return the picture's number, which is that of an earlier one after 240 others."""
        number = next(self._numbers) % _MOST
        self._rasters[number] = raster
        return number

    def remove(self, number: int) -> None:
        """Forget a picture."""
        self._rasters.pop(number, None)

    def draw(self, text: str, area: Area) -> str | None:
        """Return what draws an area of the screen whose cells have this mark; None if it can't be
        drawn, or not yet."""
        number, *digits = (ord(each) - _FIRST for each in text[1:])
        top, left = digits[0] * _MOST + digits[1], digits[2] * _MOST + digits[3]
        raster = self._rasters.get(number)
        if raster is None:
            return None
        inside = Area(area.top - top, area.left - left, area.bottom - top, area.right - left)
        return raster.draw(inside, area.top, area.left, self.ready)


def mark(number: int, top: int, left: int) -> str:
    """Return the text of each cell of a picture that begins at a row and column of the screen."""
    parts = (number, *divmod(top, _MOST), *divmod(left, _MOST))
    return MARK + "".join(chr(_FIRST + each) for each in parts)


def rectangles(cells: Iterable[tuple[int, int]]) -> list[Area]:
    """Return the areas that cells (row, column; in the order in which one reads) make up: runs of
    the same columns in rows that follow each other are one."""
    runs: list[Area] = []
    for y, x in cells:
        if runs and runs[-1].top == y and runs[-1].right == x:
            runs[-1] = runs[-1]._replace(right=x + 1)
        else:
            runs.append(Area(y, x, y + 1, x + 1))
    open_areas: dict[tuple[int, int], Area] = {}
    done: list[Area] = []
    for run in runs:
        columns = (run.left, run.right)
        above = open_areas.get(columns)
        if above is not None and above.bottom == run.top:
            open_areas[columns] = above._replace(bottom=run.bottom)
            continue
        if above is not None:
            done.append(above)
        open_areas[columns] = run
    return sorted([*done, *open_areas.values()])
