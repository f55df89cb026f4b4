"""The plot of a training's losses."""

from __future__ import annotations

import math

import pytest

from sdtui.requests.training.status import TrainingCurve
from sdtui.tui.curves import PlotLine, plot_lines
from tests.support.fake_trainings import falling_curve


def text_of(line: PlotLine) -> str:
    cells = zip(line.raw, line.smoothed, strict=True)
    return line.axis + "".join(smoothed or raw or " " for raw, smoothed in cells)


@pytest.mark.parametrize("size", [(1, 1), (5, 2), (15, 9), (16, 4), (40, 3), (80, 14), (300, 60)])
@pytest.mark.parametrize("steps", [1, 2, 400, 1500])
def test_plot_fills_any_size(size: tuple[int, int], steps: int) -> None:
    lines = plot_lines(falling_curve(steps, 400), *size)
    assert [len(text_of(each)) for each in lines] == [size[0]] * size[1]


def test_axes_are_labelled_with_losses_and_steps() -> None:
    *rows, axis, labels = map(text_of, plot_lines(falling_curve(1500, 400), 60, 12))
    losses = [float(row.split("┤")[0]) for row in rows if "┤" in row]
    assert len(losses) >= 2
    assert losses == sorted(losses, reverse=True)
    steps = labels.split()
    assert steps == ["500", "1000", "1500"]
    for step in steps:
        middle = labels.index(step) + len(step) // 2
        assert axis[middle] == "┬" or step == "1500"  # the last is moved to the left


def test_smoothed_losses_are_a_line_without_gaps_that_falls() -> None:
    rows = plot_lines(falling_curve(1500, 20), 60, 12)[:-2]
    tops = [
        next(row for row, line in enumerate(rows) if line.smoothed[column])
        for column in range(len(rows[0].smoothed))
    ]
    assert tops == sorted(tops)
    assert tops[0] < tops[-1]


def test_single_large_losses_do_not_flatten_the_rest() -> None:
    steps = tuple(range(1, 101))
    losses = tuple(50.0 if step == 40 else 0.1 + step / 1000 for step in steps)
    smoothed = tuple(0.1 + step / 1000 for step in steps)
    plot = plot_lines(TrainingCurve(steps, losses, smoothed), 60, 12)
    labels = [float(text_of(line).split("┤")[0]) for line in plot if "┤" in line.axis]
    assert max(labels) <= 0.21


def test_losses_that_are_no_numbers_are_left_out() -> None:
    curve = TrainingCurve((1, 2, 3), (0.1, math.nan, 0.2), (0.1, math.nan, 0.15))
    assert len(plot_lines(curve, 40, 10)) == 10
    assert plot_lines(TrainingCurve((1,), (math.inf,), (math.inf,)), 40, 10) == []
    assert plot_lines(TrainingCurve(), 40, 10) == []
