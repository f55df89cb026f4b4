"""Two pictures on one canvas, divided, and their difference."""

from __future__ import annotations

import pytest
from PIL import Image

from sdtui.tui.images.difference import difference, divided, on_one_canvas

RED, BLUE, BLACK, WHITE = (255, 0, 0), (0, 0, 255), (0, 0, 0), (255, 255, 255)


def plain(colour: tuple[int, int, int], size: tuple[int, int] = (8, 4)) -> Image.Image:
    return Image.new("RGB", size, colour)


def test_same_pictures_do_not_differ() -> None:
    found = difference(plain(RED), plain(RED))
    assert (found.mean, found.largest) == (0, 0)
    assert found.image.getextrema() == ((0, 0), (0, 0), (0, 0))


def test_mean_and_largest_are_of_the_unamplified_values() -> None:
    second = plain((250, 0, 0))
    second.putpixel((0, 0), (155, 0, 0))
    found = difference(plain(RED), second)
    assert found.largest == 100
    assert found.mean == pytest.approx((100 + 31 * 5) / 96)


def test_small_differences_are_amplified_until_most_are_bright() -> None:
    found = difference(plain((10, 20, 30)), plain((13, 20, 30)))
    assert found.gain == 64
    assert found.image.getpixel((0, 0)) == (3 * 64, 0, 0)
    assert difference(plain(RED), plain(BLUE)).gain == 1


def test_a_single_outlier_does_not_darken_the_others() -> None:
    first, second = plain(BLACK, (64, 64)), plain((4, 4, 4), (64, 64))
    second.putpixel((0, 0), WHITE)
    found = difference(first, second)
    assert found.gain == 32
    assert found.image.getpixel((5, 5)) == (128, 128, 128)
    assert found.image.getpixel((0, 0)) == WHITE


def test_different_sizes_come_onto_one_canvas_in_their_shapes() -> None:
    first, second = on_one_canvas(plain(RED, (40, 40)), plain(BLUE, (80, 20)))
    assert first.size == second.size == (80, 40)
    assert first.getpixel((40, 20)) == RED
    assert first.getpixel((2, 20)) == BLACK
    assert second.getpixel((2, 20)) == BLUE
    assert second.getpixel((40, 2)) == BLACK


def test_same_sizes_stay_as_they_are() -> None:
    first, second = plain(RED), plain(BLUE)
    assert on_one_canvas(first, second) == (first, second)


@pytest.mark.parametrize("column", [-3, 0, 3, 8, 99])
def test_divided_shows_the_first_on_the_left_and_the_second_on_the_right(column: int) -> None:
    image = divided(plain(RED), plain(BLUE), column, 0)
    expected = [RED if x < column else BLUE for x in range(8)]
    assert [image.getpixel((x, 2)) for x in range(8)] == expected


def test_a_line_shows_where_the_pictures_meet() -> None:
    image = divided(plain(RED), plain(BLUE), 4, 2)
    assert [image.getpixel((x, 0)) for x in (2, 3, 4, 5)] == [RED, WHITE, WHITE, BLUE]
