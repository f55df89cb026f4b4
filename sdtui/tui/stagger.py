"""Spreading changes of several panes over successive frames."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from textual.screen import Screen

_STAGGER_SECONDS = 0.025
"""Seconds between two changes: more than a frame, so that a key can be handled between them."""


def stagger(screen: Screen[Any], *changes: Callable[[], object]) -> None:
    """Make changes in different parts of the screen, the first now and the others 25 ms apart.
    Textual repaints the region around all changes of a frame, which is soon the whole window, and
    a key that is pressed meanwhile waits for it."""
    for number, change in enumerate(changes):
        if number:
            screen.set_timer(number * _STAGGER_SECONDS, change)
        else:
            change()
