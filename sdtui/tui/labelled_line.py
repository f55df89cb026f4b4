"""A line of a text to read."""

from __future__ import annotations

from typing import NamedTuple


class LabelledLine(NamedTuple):
    """A label and a text, which may have several lines. Safe to display."""

    label: str
    """"" if the text stands for itself."""
    text: str
