"""Changes in several panes, each at a moment of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from textual.screen import Screen

_STAGGER_SECONDS = 0.025
"""Seconds between two moments: more than lie between two drawings, in which a key may be seen."""


def stagger(screen: Screen[Any], *changes: Callable[[], object]) -> None:
    """Make changes in different places of the screen, the first now and each of the others a
    little after the one before. Textual draws all that lies between two changes of the same moment,
    which is soon the whole window, and a key that is pressed meanwhile waits for it."""
    for place, change in enumerate(changes):
        if place:
            screen.set_timer(place * _STAGGER_SECONDS, change)
        else:
            change()
