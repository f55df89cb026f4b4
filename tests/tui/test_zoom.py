"""Zoom and pan: which part of a picture is seen."""

from __future__ import annotations

import pytest
from textual.geometry import Size

from sdtui.tui.images.zoom import LARGEST_SCALE, Viewport, Zoom, fit_scale, percentage

PICTURE = Size(512, 512)
AREA = Size(120, 72)
"""60 rows of 120 half-cells."""


def test_the_whole_picture_is_seen_at_first() -> None:
    assert Zoom().viewport(PICTURE, AREA) == Viewport(0, 0, 512, 512)
    assert Zoom().scale_in(PICTURE, AREA) == fit_scale(PICTURE, AREA) == 72 / 512


def test_zooming_in_goes_through_powers_of_two_to_the_largest_scale() -> None:
    scales, zoom = [], Zoom()
    for _ in range(12):
        zoom = zoom.magnified(1, PICTURE, AREA)
        scales.append(zoom.scale)
    assert scales == [0.25, 0.5, 1, 2, 4, 8, 16, 32, 32, 32, 32, 32]
    assert LARGEST_SCALE == 32


def test_zooming_out_ends_at_what_fits() -> None:
    zoom = Zoom().magnified(3, PICTURE, AREA)
    assert zoom.scale == 1
    assert zoom.magnified(-1, PICTURE, AREA).scale == 0.5
    assert zoom.magnified(-3, PICTURE, AREA) == Zoom()
    assert zoom.magnified(-9, PICTURE, AREA) == Zoom()


def test_small_picture_is_never_drawn_smaller_than_fits() -> None:
    small = Size(16, 16)
    assert fit_scale(small, AREA) == 4.5
    assert Zoom().scaled(1, small, AREA) == Zoom()
    assert Zoom().magnified(1, small, AREA).scale == 8


@pytest.mark.parametrize("picture", [Size(512, 512), Size(1024, 100), Size(100, 1024), Size(7, 5)])
def test_one_to_one_shows_as_many_pixels_as_the_view_has(picture: Size) -> None:
    part = Zoom(1.0).viewport(picture, AREA)
    scale = Zoom(1.0).scale_in(picture, AREA)
    assert part.width == min(picture.width, 120 / scale)
    assert part.height == min(picture.height, 72 / scale)


def test_panning_moves_by_a_fraction_of_the_visible_part() -> None:
    zoom = Zoom(1.0).panned(0.5, -0.25, PICTURE, AREA)
    assert zoom.viewport(PICTURE, AREA) == Viewport(196 + 60, 220 - 18, 120, 72)


def test_panning_ends_at_the_edges_and_returns_at_once() -> None:
    zoom = Zoom(1.0)
    for _ in range(20):
        zoom = zoom.panned(0.5, 0.5, PICTURE, AREA)
    assert zoom.viewport(PICTURE, AREA).box == (392, 440, 512, 512)
    assert zoom.panned(-0.5, 0, PICTURE, AREA).viewport(PICTURE, AREA).left == 392 - 60


def test_a_picture_that_fits_cannot_be_panned() -> None:
    assert Zoom().panned(1, 1, PICTURE, AREA).viewport(PICTURE, AREA) == Viewport(0, 0, 512, 512)


def test_the_point_under_the_pointer_stays_where_it_is() -> None:
    zoom, at = Zoom(0.5, 0.4, 0.6), (0.9, 0.2)
    before = zoom.point_at(at, PICTURE, AREA)
    assert zoom.magnified(1, PICTURE, AREA, at).point_at(at, PICTURE, AREA) == pytest.approx(before)


@pytest.mark.parametrize("at", [(0.0, 0.0), (1.0, 1.0), (0.3, 0.9)])
def test_no_view_reaches_beyond_the_picture(at: tuple[float, float]) -> None:
    zoom = Zoom()
    for steps in (3, 1, -2, 4, -3):
        zoom = zoom.magnified(steps, PICTURE, AREA, at)
        left, top, right, bottom = zoom.viewport(PICTURE, AREA).box
        assert left >= 0
        assert top >= 0
        assert right <= 512
        assert bottom <= 512


def test_captions_say_the_scale() -> None:
    assert percentage(Zoom(), PICTURE, AREA) == "fit 14 %"
    assert percentage(Zoom(1.0), PICTURE, AREA) == "100 %"
