"""The values of an axis as A1111 writes them.

values := value *("," value), as a line of CSV: quotes keep commas and blanks
value  := text | number | range, for axes of numbers
range  := first "-" last [ "(" step ")" | "[" count "]" ]

`1-5` is 1 2 3 4 5, `1-9 (+4)` is 1 5 9, `10-1 (-3)` is 10 7 4 1, and `1-10 [4]` is 1 4 7 10. The
last value of a range is never passed, as it is with A1111's steps of decimals.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterator
from io import StringIO

MAX_VALUES = 1000
"""Of an axis."""

_DECIMAL = r"(?:\d+(?:\.\d*)?|\.\d+)"
_NUMBER = rf"[+-]?\s*{_DECIMAL}"
_RANGE = re.compile(
    rf"\s*(?P<first>{_NUMBER})\s*-\s*(?P<last>{_NUMBER})\s*"
    rf"(?:\(\s*(?P<step>[+-]?{_DECIMAL})\s*\)|\[\s*(?P<count>\d+)\s*\])?\s*"
)
_DIGITS = 8
"""Decimals that are kept: 0.1 + 0.2 is 0.3."""


def split_values(text: str) -> list[str]:
    """Return the values of a line of CSV, stripped. An empty text is one empty value. Raises
    ValueError."""
    rows = csv.reader(StringIO(text), skipinitialspace=True)
    try:
        return [value.strip() for row in rows for value in row] or [""]
    except csv.Error as error:
        raise ValueError(f"is not a list of values: {error}") from error


def joined_values(values: list[str]) -> str:
    """Return values as a line of CSV."""
    line = StringIO()
    csv.writer(line).writerow(values)
    return line.getvalue().strip()


def number_values(text: str, kind: type[int] | type[float]) -> list[str]:
    """Return the numbers of a line of CSV with its ranges expanded, as texts. What is no range is
    left as it is; empty values are left out. Raises ValueError for a range that can't be
    expanded."""
    found: list[str] = []
    for value in filter(None, split_values(text)):
        match = _RANGE.fullmatch(value)
        if match is None:
            found.append(value)
        else:
            found += (number_text(each) for each in _expanded(match, kind))
    return found


def number_text(number: float) -> str:
    """Return a number without needless decimals."""
    rounded = round(number, _DIGITS)
    return str(int(rounded)) if rounded == int(rounded) else repr(rounded)


def _expanded(match: re.Match[str], kind: type[int] | type[float]) -> Iterator[float]:
    first, last = (_number(match[name], kind) for name in ("first", "last"))
    if match["count"] is not None:
        count = int(match["count"])
        _check_count(count, match.string)
        return (kind(_between(first, last, number, count)) for number in range(count))
    step = 1 if match["step"] is None else _number(match["step"], kind)
    if step == 0 or (last - first) / step < 0:
        raise ValueError(f"the range {match.string.strip()} has no values")
    # A quotient such as 3.9999999 is meant to be 4.
    count = math.floor(round((last - first) / step, _DIGITS)) + 1
    _check_count(count, match.string)
    return (kind(first + number * step) for number in range(count))


def _check_count(count: int, text: str) -> None:
    if count > MAX_VALUES:
        raise ValueError(f"the range {text.strip()} has more than {MAX_VALUES:,} values")
    if count == 0:
        raise ValueError(f"the range {text.strip()} has no values")


def _between(first: float, last: float, number: int, count: int) -> float:
    """Return number `number` of `count` evenly spaced ones; a single one is the first."""
    return first if count == 1 else first + (last - first) * number / (count - 1)


def _number(text: str, kind: type[int] | type[float]) -> float:
    plain = re.sub(r"\s", "", text)
    try:
        return kind(plain)
    except ValueError as error:
        raise ValueError(f"must be a whole number, not {plain}") from error
