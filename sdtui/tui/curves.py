"""A curve of losses as lines of text: Braille dots between two labelled axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sdtui.requests.training.status import TrainingCurve

_FIRST = 0x2800
_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""The bit of each dot of a Braille sign: four rows of two."""
_SHOWN_SHARE = 0.9
"""Of the raw losses; the largest and smallest are left out, since they would flatten the rest."""
_LEAST_WIDTH, _LEAST_HEIGHT = 16, 4
"""Cells from which there is room for axes."""
_ROWS_PER_LABEL, _COLUMNS_PER_LABEL = 4, 16


@dataclass(frozen=True)
class Span:
    """A range of values that isn't empty."""

    low: float
    high: float

    def place(self, value: float, size: int) -> int:
        """Return which of `size` equal parts a value is in; outside of the range it is negative or
        at least `size`."""
        return math.floor((value - self.low) / (self.high - self.low) * (size - 1) + 0.5)

    def ticks(self, wanted: int) -> list[float]:
        """Return round values of the range, at least as many as `wanted` and at most two or three
        times as many: multiples of 1, 2 or 5 times a power of ten."""
        rough = (self.high - self.low) / max(1, wanted)
        power = 10.0 ** math.floor(math.log10(rough))
        found: list[float] = []
        for step in (5 * power, 2 * power, power, power / 2, power / 5):
            first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
            found = [number * step for number in range(first, last + 1)]
            if len(found) >= wanted:
                break
        return found


class Dots:
    """A field of dots, two in a column and four in a row of cells."""

    def __init__(self, columns: int, rows: int) -> None:
        self.width, self.height = 2 * columns, 4 * rows
        self._cells = [[0] * columns for _ in range(rows)]

    def put(self, x: int, y: int) -> None:
        """Set a dot, counted from the top left; one outside is left out."""
        if 0 <= x < self.width and 0 <= y < self.height:
            self._cells[y // 4][x // 2] |= _DOTS[y % 4][x % 2]

    def row(self, row: int) -> list[str]:
        """Return the signs of a row; "" where no dot is set."""
        return [chr(_FIRST + bits) if bits else "" for bits in self._cells[row]]


@dataclass(frozen=True)
class PlotLine:
    """A line of the plot."""

    axis: str
    """Label and axis at its beginning, or the whole line where there are no dots."""
    raw: Sequence[str] = ()
    smoothed: Sequence[str] = ()
    """The signs of both curves, cell by cell."""


def plot_lines(curve: TrainingCurve, width: int, height: int) -> list[PlotLine]:
    """Return a plot of `width` x `height` cells: steps to the right, losses upwards. In few cells
    there are no axes. No lines if there is nothing to show."""
    points = [
        each
        for each in zip(curve.steps, curve.losses, curve.smoothed, strict=True)
        if all(map(math.isfinite, each))
    ]
    if not points or width < 1 or height < 1:
        return []
    steps, losses, smoothed = zip(*points, strict=True)
    across, up = Span(steps[0], max(steps[-1], steps[0] + 1)), _losses_shown(losses, smoothed)
    has_axes = width >= _LEAST_WIDTH and height >= _LEAST_HEIGHT
    rows = height - 2 if has_axes else height
    labels = _loss_labels(up, rows) if has_axes else {}
    margin = max((len(each) for each in labels.values()), default=0) + has_axes
    columns = width - margin
    raw, line = Dots(columns, rows), Dots(columns, rows)
    _put_points(raw, across, up, steps, losses)
    _put_line(line, across, up, steps, smoothed)
    plot = [
        PlotLine(_axis(labels.get(row, ""), margin, row in labels), raw.row(row), line.row(row))
        for row in range(rows)
    ]
    return plot + [PlotLine(each) for each in _step_axis(across, margin, columns)] * has_axes


def _losses_shown(losses: Sequence[float], smoothed: Sequence[float]) -> Span:
    """Return the losses between the axis' ends: all of the smoothed ones, most of the others."""
    ordered = sorted(losses)
    left_out = int(len(ordered) * (1 - _SHOWN_SHARE) / 2)
    shown = ordered[left_out : len(ordered) - left_out]
    low, high = min(shown[0], *smoothed), max(shown[-1], *smoothed)
    margin = (high - low) * 0.05 or abs(high) * 0.05 or 0.05
    return Span(low - margin, high + margin)


def _put_points(
    dots: Dots, across: Span, up: Span, steps: Sequence[float], losses: Sequence[float]
) -> None:
    for step, loss in zip(steps, losses, strict=True):
        y = dots.height - 1 - up.place(loss, dots.height)
        dots.put(across.place(step, dots.width), y)


def _put_line(
    dots: Dots, across: Span, up: Span, steps: Sequence[float], losses: Sequence[float]
) -> None:
    """Set the dots of a line without gaps through all points."""
    places = [
        (across.place(step, dots.width), dots.height - 1 - up.place(loss, dots.height))
        for step, loss in zip(steps, losses, strict=True)
    ]
    for (x, y), (next_x, next_y) in zip(places, [*places[1:], places[-1]], strict=True):
        count = max(abs(next_x - x), abs(next_y - y), 1)
        for part in range(count + 1):
            share = part / count
            dots.put(round(x + (next_x - x) * share), round(y + (next_y - y) * share))


def _loss_labels(up: Span, rows: int) -> dict[int, str]:
    """Return what stands before some rows."""
    ticks = up.ticks(max(2, rows // _ROWS_PER_LABEL))
    digits = max(0, -math.floor(math.log10(ticks[1] - ticks[0]) + 1e-9)) if len(ticks) > 1 else 3
    dots = rows * 4
    return {(dots - 1 - up.place(each, dots)) // 4: f"{each:.{digits}f}" for each in ticks}


def _axis(label: str, margin: int, is_labelled: bool) -> str:
    if not margin:
        return ""
    return f"{label:>{margin - 1}}{'┤' if is_labelled else '│'}"


def _step_axis(across: Span, margin: int, columns: int) -> tuple[str, str]:
    """Return the axis of steps and its labels."""
    axis, labels = ["─"] * columns, [" "] * (margin + columns)
    end = 0
    for tick in across.ticks(max(2, columns // _COLUMNS_PER_LABEL)):
        if tick != int(tick):
            continue
        column, label = across.place(tick, 2 * columns) // 2, f"{int(tick)}"
        start = min(max(margin + column - len(label) // 2, 0), margin + columns - len(label))
        if start < end:
            continue
        axis[column] = "┬"
        labels[start : start + len(label)] = label
        end = start + len(label) + 1
    return f"{' ' * (margin - 1)}└{''.join(axis)}", "".join(labels)
