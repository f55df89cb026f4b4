"""The values of an axis: A1111's grammar."""

from __future__ import annotations

import pytest

from sdtui.requests.grids.values import joined_values, number_values, split_values


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("cat,dog", ["cat", "dog"]),
        (" cat , dog ", ["cat", "dog"]),
        ('cat,"dog, big"', ["cat", "dog, big"]),
        ('cat, "dog, big"', ["cat", "dog, big"]),
        ("cat,,dog", ["cat", "", "dog"]),
        ('"say ""hi""",b', ['say "hi"', "b"]),
        ("a\nb", ["a", "b"]),
        ("", [""]),
    ],
)
def test_values_are_a_line_of_csv(text: str, values: list[str]) -> None:
    assert split_values(text) == values


def test_joined_values_are_split_again() -> None:
    values = ["a", "b, c", 'd "e"', ""]
    assert split_values(joined_values(values)) == values


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("1-5", [1, 2, 3, 4, 5]),
        ("1-9 (+4)", [1, 5, 9]),
        ("1-10(+4)", [1, 5, 9]),
        ("10-1 (-3)", [10, 7, 4, 1]),
        ("1-10 [4]", [1, 4, 7, 10]),
        ("1-10 [5]", [1, 3, 5, 7, 10]),
        ("10-30[3]", [10, 20, 30]),
        ("7-9 [1]", [7]),
        ("20, 1-3, 50", [20, 1, 2, 3, 50]),
        ("1,,2", [1, 2]),
        ("-2-1", [-2, -1, 0, 1]),
    ],
)
def test_ranges_of_whole_numbers(text: str, values: list[int]) -> None:
    assert number_values(text, int) == [str(each) for each in values]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("0.1-0.5 (+0.1)", ["0.1", "0.2", "0.3", "0.4", "0.5"]),
        ("0-1 [5]", ["0", "0.25", "0.5", "0.75", "1"]),
        ("1-0 (-0.25)", ["1", "0.75", "0.5", "0.25", "0"]),
        ("0-1 (+0.3)", ["0", "0.3", "0.6", "0.9"]),
        ("7.5", ["7.5"]),
        (".5-1 (+.25)", ["0.5", "0.75", "1"]),
        ("1-3", ["1", "2", "3"]),
    ],
)
def test_ranges_of_decimals(text: str, values: list[str]) -> None:
    assert number_values(text, float) == values


@pytest.mark.parametrize("text", ["5-1", "1-5 (+0)", "1-5 (-1)", "1-5 [0]"])
def test_a_range_without_values_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="has no values"):
        number_values(text, int)


@pytest.mark.parametrize("text", ["1-1000000000000", "0-1 [99999999]", "0-1 (+0.0000001)"])
def test_a_range_is_not_expanded_beyond_the_limit(text: str) -> None:
    with pytest.raises(ValueError, match="more than 1,000 values"):
        number_values(text, float)


def test_decimals_are_no_range_of_whole_numbers() -> None:
    with pytest.raises(ValueError, match="must be a whole number"):
        number_values("0.5-2", int)
