"""Bringing a terminal up to date with as few bytes as possible."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from operator import ne
from typing import NamedTuple

from sdtui.tui.terminal.cells import (
    PLAIN,
    UNKNOWN,
    UNSEEN_ON_BLANKS,
    Cell,
    CellGrid,
    Look,
    blank,
    has_certain_width,
)
from sdtui.tui.terminal.raster import MARK, Rasters, rectangles

SYNC_BEGIN, SYNC_END = "\x1b[?2026h", "\x1b[?2026l"
"""The terminal shows all that comes between these at once."""
_SHORTEST_MOVE = 4
"""Characters of a movement to the right: as many cells are written again instead."""
_SHORTEST_ERASURE = 10
"""Cells that are cheaper erased, with a movement behind them, than written as spaces."""
_SHORTEST_ERASURE_OF_LINE = 4
_HALF = "▀"
Rgb = tuple[int, int, int]
_EXACT: Rgb = (0, 0, 0)
_FIRST_BLOCK, _LAST_BLOCK = "▀", "▟"
"""Half-cells and other blocks, of which pictures are made."""


class Abilities(NamedTuple):
    """What a terminal can do."""

    erases: bool = True
    """Erases cells in the current background colour (ECH, EL)."""
    links: bool = True
    tolerance: Rgb = _EXACT
    """How much the channels (0 to 255) of a colour in a picture may differ from what is drawn, if
    that is shorter to write."""


class Run(NamedTuple):
    """Changed cells of a row that are written one after the other."""

    y: int
    columns: list[int]


class CellWriter:
    """Knows what a terminal shows, and writes what has to change."""

    def __init__(
        self, width: int, height: int, abilities: Abilities, rasters: Rasters | None = None
    ) -> None:
        """`rasters` are drawn over cells that have their marks."""
        self.shown = CellGrid(width, height)
        """What the terminal shows."""
        self._abilities = abilities
        self._rasters = rasters or Rasters()
        self._marks: dict[str, list[tuple[int, int]]] = {}
        """Cells of pictures that have to be drawn, by their mark."""
        self._pen: Look | None = None
        """The look of what is written next; None if unknown."""
        self._cursor: tuple[int, int] | None = None
        """Row and column, None if unknown."""
        self._out: list[str] = []
        self._size = 0
        """Characters in `_out`."""
        self._first_row = 0
        """The row to go on with after a limit was reached."""

    def forget(self) -> None:
        """Make the next update draw everything: something else may have drawn."""
        self.shown = CellGrid(self.shown.width, self.shown.height)
        self._pen = self._cursor = None

    def update(
        self, wanted: CellGrid, cursor: tuple[int, int], limit: int | None = None
    ) -> tuple[str, bool]:
        """Return what makes the terminal show `wanted` and puts its cursor at a row and column, and
        True if that is all. With a limit it stops after about so many characters, and text comes
        before pictures."""
        if (wanted.width, wanted.height) != (self.shown.width, self.shown.height):
            self.shown = CellGrid(wanted.width, wanted.height)
            self._pen = self._cursor = None
        self._out, self._size = [], 0
        self._marks = {}
        shown = self.shown.rows
        changed = [y for y, row in enumerate(wanted.rows) if row != shown[y]]
        start = next((i for i, y in enumerate(changed) if y >= self._first_row), 0)
        texts, blocks = self._runs(wanted, [*changed[start:], *changed[:start]])
        is_whole = self._write_runs(wanted, texts, limit)
        is_whole = is_whole and self._write_runs(wanted, blocks, limit)
        is_whole = is_whole and self._draw_rasters(wanted, limit)
        if self._out:
            self._move(*cursor)
        return "".join(self._out), is_whole

    def _draw_rasters(self, wanted: CellGrid, limit: int | None) -> bool:
        """Draw pictures over the marks that were met, with a limit row by row. Returns False if the
        limit was reached before."""
        for text, cells in self._marks.items():
            whole = rectangles(cells)
            areas = whole if limit is None else [row for area in whole for row in area.rows()]
            for area in areas:
                if limit is not None and self._size >= limit:
                    return False
                drawn = self._rasters.draw(text, area)
                if drawn is None:
                    continue
                self._append(drawn)
                self._cursor = None
                for y in range(area.top, area.bottom):
                    columns = slice(area.left, area.right)
                    self.shown.rows[y][columns] = wanted.rows[y][columns]
        return True

    def _runs(self, wanted: CellGrid, rows: Iterable[int]) -> tuple[list[Run], list[Run]]:
        """Return the runs of changed cells in some rows: those of text in the order of their looks,
        as moving is shorter than changing the look and back, and those of blocks."""
        texts: dict[Look, list[Run]] = {}
        blocks: list[Run] = []
        for y in rows:
            new, old = wanted.rows[y], self.shown.rows[y]
            block = Run(y, [])
            last, last_look = Run(y, [-2 * _SHORTEST_MOVE]), PLAIN
            for x in [x for x, differs in enumerate(map(ne, new, old)) if differs]:
                text, look = new[x]
                if text == UNKNOWN[0]:
                    continue
                if text and text[0] == MARK:
                    self._marks.setdefault(text, []).append((y, x))
                    continue
                if _FIRST_BLOCK <= text <= _LAST_BLOCK:
                    block.columns.append(x)
                    continue
                is_near = x - last.columns[-1] <= _SHORTEST_MOVE
                if is_near and (look == last_look or (text, look) == blank(last_look)):
                    last.columns.append(x)
                    continue
                last, last_look = Run(y, [x]), look
                texts.setdefault(look, []).append(last)
            blocks.append(block)
        return [run for runs in texts.values() for run in runs], blocks

    def _write_runs(self, wanted: CellGrid, runs: Iterable[Run], limit: int | None) -> bool:
        """Write changed cells. Returns False if the limit was reached before."""
        for run in runs:
            if limit is not None and self._size >= limit:
                self._first_row = run.y
                return False
            self._write_run(run, wanted.rows[run.y])
        return True

    def _write_run(self, run: Run, new: list[Cell]) -> None:
        y, old = run.y, self.shown.rows[run.y]
        done = 0
        for changed in run.columns:
            if changed < done or new[changed] == old[changed]:
                continue
            is_second_half = changed > 0 and not new[changed][0]
            x = changed - 1 if is_second_half else changed
            text, look = new[x]
            if text == " " and not look.attributes and not look.link:
                done = self._write_blanks(y, x, new, old)
                continue
            self._reach(y, x, new)
            self._write_cell(y, x, new)
            done = x + 1
            if done < len(new) and not new[done][0]:
                done += 1
            old[x:done] = new[x:done]

    def _write_blanks(self, y: int, x: int, new: list[Cell], old: list[Cell]) -> int:
        """Write a run of spaces, or erase it. Returns the column after what is done."""
        space, width = new[x], len(new)
        end = last = x + 1
        while end < width and new[end] == space:
            end += 1
            if new[end - 1] != old[end - 1]:
                last = end
        self._reach(y, x, new)
        self._set_pen(self._pen_for_blank(space[1]))
        if self._abilities.erases and end == width and last - x >= _SHORTEST_ERASURE_OF_LINE:
            self._append("\x1b[K")
            last = end
        elif self._abilities.erases and last - x >= _SHORTEST_ERASURE:
            self._append(f"\x1b[{last - x}X")
        else:
            self._append(" " * (last - x))
            self._cursor = (y, last) if last < width else None
        old[x:last] = new[x:last]
        return last

    def _write_cell(self, y: int, x: int, new: list[Cell]) -> None:
        text, look = new[x]
        if self._abilities.tolerance != _EXACT and _FIRST_BLOCK <= text <= _LAST_BLOCK:
            text, look = self._near_cell(text, look)
        self._set_pen(look)
        self._append(text)
        end = x + 1 if x + 1 == len(new) or new[x + 1][0] else x + 2
        self._cursor = (y, end) if end < len(new) and has_certain_width(text) else None

    def _near_cell(self, text: str, look: Look) -> Cell:
        """Return a cell that looks nearly the same, with colours of the pen where possible."""
        pen, tolerance = self._pen or PLAIN, self._abilities.tolerance
        foreground, background = look.foreground, look.background
        if _are_near(background, pen.background, tolerance):
            background = pen.background
        if text == _HALF and _are_near(foreground, background, tolerance):
            return " ", self._pen_for_blank(Look(background=background))
        if _are_near(foreground, pen.foreground, tolerance):
            foreground = pen.foreground
        return text, Look(look.attributes, foreground, background, look.link)

    def _pen_for_blank(self, look: Look) -> Look:
        """Return a pen for spaces that differs from the present one as little as possible."""
        if self._pen is None or self._pen.attributes not in UNSEEN_ON_BLANKS:
            return Look("", "", look.background, look.link)
        return Look(self._pen.attributes, self._pen.foreground, look.background, look.link)

    def _reach(self, y: int, x: int, new: list[Cell]) -> None:
        """Bring the cursor to a cell, perhaps by writing those before it again."""
        if self._cursor is not None:
            row, column = self._cursor
            gap = new[column:x] if row == y else []
            if 0 < len(gap) <= _SHORTEST_MOVE and all(
                text and look == self._pen and has_certain_width(text) for text, look in gap
            ):
                self._append("".join(text for text, _ in gap))
                self._cursor = (y, x)
        self._move(y, x)

    def _move(self, y: int, x: int) -> None:
        if self._cursor != (y, x):
            self._append(movement(self._cursor, y, x))
            self._cursor = (y, x)

    def _set_pen(self, look: Look) -> None:
        if look != self._pen:
            self._append(change_of_look(self._pen, look, links=self._abilities.links))
            self._pen = look

    def _append(self, text: str) -> None:
        self._out.append(text)
        self._size += len(text)


def movement(before: tuple[int, int] | None, y: int, x: int) -> str:
    """Return the shortest sequence that brings the cursor to a row and column. None means that its
    place is unknown."""
    absolute = f"\x1b[{y + 1};{x + 1}H" if x else f"\x1b[{y + 1}H"
    if before is None or y < before[0]:
        return absolute
    rows, columns = y - before[0], x - before[1]
    down = f"\x1b[{rows if rows > 1 else ''}B" if rows else ""
    if columns >= 0:
        along = f"\x1b[{columns if columns > 1 else ''}C" if columns else ""
    else:
        along = min("\b" * -columns, f"\x1b[{-columns}D", key=len) if x else "\r"
    return min(down + along, absolute, key=len)


def change_of_look(before: Look | None, after: Look, *, links: bool = True) -> str:
    """Return the shortest sequences that change how text is drawn. None means unknown."""
    if before is not None and before.attributes == after.attributes:
        parameters = _changed_colours(before, after)
    elif before is not None and not before.attributes:
        parameters = [after.attributes, *_changed_colours(before, after)]
    else:
        parameters = ["0", after.attributes, after.foreground, after.background]
    sgr = ";".join(filter(None, parameters))
    text = f"\x1b[{sgr}m" if sgr else ""
    if links and after.link != (before.link if before else ""):
        text += f"\x1b]8;;{after.link}\x1b\\"
    return text


def _are_near(one: str, other: str, tolerance: Rgb) -> bool:
    """True if two colours of 24 bits differ by no more than the tolerance in each channel."""
    if one == other:
        return True
    rgb, other_rgb = _rgb(one), _rgb(other)
    return (
        rgb is not None
        and other_rgb is not None
        and -tolerance[0] <= rgb[0] - other_rgb[0] <= tolerance[0]
        and -tolerance[1] <= rgb[1] - other_rgb[1] <= tolerance[1]
        and -tolerance[2] <= rgb[2] - other_rgb[2] <= tolerance[2]
    )


@lru_cache(maxsize=20_000)
def _rgb(colour: str) -> Rgb | None:
    """Return the channels of a colour of 24 bits."""
    _, mode, *channels = colour.split(";") if colour.count(";") == 4 else ("", "")
    if mode != "2":
        return None
    red, green, blue = map(int, channels)
    return red, green, blue


def _changed_colours(before: Look, after: Look) -> list[str]:
    return [
        after.foreground or "39" if after.foreground != before.foreground else "",
        after.background or "49" if after.background != before.background else "",
    ]
