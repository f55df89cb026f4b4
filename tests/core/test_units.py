"""Formats of numbers with units."""

from __future__ import annotations

import pytest

from sdtui.core.units import clock_duration


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "0 s"), (8, "8 s"), (59.6, "1:00"), (70, "1:10"), (7505, "2:05:05")],
)
def test_clock_duration(seconds: float, text: str) -> None:
    assert clock_duration(seconds) == text
