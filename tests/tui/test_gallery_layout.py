"""The order of pictures in the gallery, and where each is drawn."""

from __future__ import annotations

import random

import pytest

from sdtui.tui.gallery.layout import GridLayout, cell_shape, list_shape
from sdtui.tui.gallery.order import FORMING, Order, arranged

RUN, DAY = 10, 1000
"""Ids of a test: ten for a job, a thousand for a day."""


def order_of(*ids: int, forming_since: int | None = None, by_days: bool = True) -> Order:
    day = (lambda entry: entry // DAY * DAY) if by_days else None
    return arranged(sorted(ids, reverse=True), RUN, day, forming_since)


def grouped(order: Order) -> list[list[int]]:
    groups = map(order.group, range(len(order.starts)))
    return [list(order.ids[each.start : each.start + each.count]) for each in groups]


def test_pictures_of_a_job_are_in_its_order_and_single_ones_newest_first() -> None:
    order = order_of(500, 490, 482, 481, 480, 470)
    assert grouped(order) == [[500, 490], [480, 481, 482], [470]]
    assert [order.group(number).is_job for number in range(3)] == [False, True, False]
    assert order.pictures == 6


def test_single_pictures_are_parted_by_days_unless_they_were_searched() -> None:
    assert grouped(order_of(2010, 2000, 1990)) == [[2010, 2000], [1990]]
    assert grouped(order_of(2010, 2000, 1990, by_days=False)) == [[2010, 2000, 1990]]


def test_picture_in_progress_comes_first_with_its_jobs() -> None:
    order = order_of(501, 500, 480, forming_since=490)
    assert grouped(order) == [[FORMING, 500, 501], [480]]
    assert [order.place_of(each) for each in (FORMING, 500, 501, 480)] == [0, 1, 2, 3]
    assert order.place_of(502) is None
    assert order.pictures == 3
    assert grouped(order_of(480, forming_since=490)) == [[FORMING], [480]]


def test_other_pictures_of_a_jobs_millisecond_are_single_ones() -> None:
    ids = [500, 486, 485, 482, 481, 480, 470]
    order = arranged(ids, RUN, None, positions=5)
    assert grouped(order) == [[500, 486, 485], [480, 481, 482], [470]]
    assert [order.place_of(each) for each in order.ids] == list(range(7))


def test_first_finished_picture_comes_after_the_one_in_progress() -> None:
    assert order_of(480, forming_since=490).first_finished == 1
    assert order_of(forming_since=490).first_finished == 0
    assert order_of(480).first_finished == 0


def test_every_picture_is_found_at_its_place() -> None:
    chance = random.Random(1)
    order = order_of(*chance.sample(range(20_000), 3000))
    assert [order.place_of(each) for each in order.ids] == list(range(3000))
    assert order.place_of(20_001) is None
    assert order_of().place_of(5) is None


def test_cursor_goes_to_the_next_picture_that_is_left() -> None:
    before, after = order_of(50, 40, 30, 20, 10), order_of(60, 50, 20, 10)
    assert after.ids[after.place_near(before, 1)] == 20
    assert after.ids[after.place_near(before, 0)] == 50
    assert order_of(50, 40).place_near(before, 4) == 1
    assert order_of().place_near(before, 4) == 0


@pytest.mark.parametrize(
    ("columns", "cells", "width"),
    [(33, 3, 10), (44, 4, 10), (64, 5, 11), (65, 5, 12), (95, 7, 12), (8, 1, 7)],
)
def test_cells_fill_the_width(columns: int, cells: int, width: int) -> None:
    shape = cell_shape(columns)
    assert (shape.columns, shape.width) == (cells, width)
    assert shape.columns * (shape.width + 1) <= max(columns, shape.width + 1)


def rows(layout: GridLayout) -> list[list[int]]:
    found = []
    line = 0
    while (at_line := layout.row_at(line)) is not None:
        row = at_line[0]
        found.append([layout.order.ids[place] for place in range(row.first, row.after)])
        line = layout.lines(row.first).stop
    assert line == layout.height
    return found


def test_job_that_does_not_fit_in_a_row_begins_a_new_one() -> None:
    layout = GridLayout(order_of(500, 490, 483, 482, 481, 480, 470, 460, 450), cell_shape(44))
    assert rows(layout) == [[500, 490], [480, 481, 482, 483], [470, 460, 450]]


def test_groups_share_a_row_where_they_fit() -> None:
    layout = GridLayout(order_of(500, 481, 480, 470, 460, 450, 440), cell_shape(44))
    assert rows(layout) == [[500, 480, 481, 470], [460, 450, 440]]


def test_job_of_several_rows_leaves_room_for_what_follows() -> None:
    job = range(480, 486)
    layout = GridLayout(order_of(500, *job, 470, 460, 450), cell_shape(44))
    assert rows(layout) == [[500], [480, 481, 482, 483], [484, 485, 470, 460], [450]]


def test_only_rows_where_groups_begin_have_a_line_for_headings() -> None:
    layout = GridLayout(order_of(*range(480, 486), 470), cell_shape(44))
    assert rows(layout) == [[480, 481, 482, 483], [484, 485, 470]]
    layout = GridLayout(order_of(*range(480, 489), 470), cell_shape(44))
    cell = layout.shape.height
    heights = [len(layout.lines(place)) for place in (0, 4, 8)]
    assert heights == [cell + 1, cell, cell + 1]
    lines = [layout.row_at(line) for line in (0, 1, cell + 1, 2 * cell + 1)]
    assert [at and at[1] for at in lines] == [-1, 0, 0, -1]


def test_rows_hold_every_picture_once() -> None:
    chance = random.Random(2)
    order = order_of(*chance.sample(range(9_000), 2000))
    for shape in (cell_shape(33), cell_shape(64), cell_shape(95), list_shape(60)):
        layout = GridLayout(order, shape)
        assert [each for row in rows(layout) for each in row] == list(order.ids)
        for place in chance.sample(range(2000), 50):
            lines = layout.lines(place)
            x = shape.left(layout.column(place))
            assert layout.place_at(x + 1, lines.stop - 1) == place
            assert all(place in layout.places(line, 1) for line in lines)


def test_moving_down_and_up_keeps_the_column_where_the_row_reaches_so_far() -> None:
    layout = GridLayout(order_of(500, 490, 483, 482, 481, 480, 470), cell_shape(44))
    assert rows(layout) == [[500, 490], [480, 481, 482, 483], [470]]
    assert layout.row_away(1, 1) == 3
    assert layout.row_away(5, 1) == 6
    assert layout.row_away(5, -1) == 1
    assert layout.row_away(0, -1) == 0
    assert layout.row_away(3, 9) == 6


def test_points_between_and_below_pictures_are_nowhere() -> None:
    layout = GridLayout(order_of(500), cell_shape(44))
    assert layout.place_at(15, 2) is None
    assert layout.place_at(2, layout.height) is None
    assert layout.places(0, 50) == range(1)


def test_empty_gallery_has_no_lines() -> None:
    layout = GridLayout(Order(), cell_shape(44))
    assert layout.height == 0
    assert layout.row_at(0) is None
    assert not layout.places(0, 20)
