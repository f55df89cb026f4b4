"""The theme's colours as styles for text."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Literal

from rich.style import Style
from textual.app import App
from textual.color import Color

from sdtui.core.enums import EventLevel

ThemeColour = Literal[
    "plain",
    "muted",
    "accent",
    "running",
    "queued",
    "done",
    "warning",
    "error",
    "changed",
    "star",
    "marked",
    "name",
    "frame",
    "track",
]
"""The roles of `themes.Roles`. "track" is the rest of a bar."""

LEVEL_SIGNS: Mapping[EventLevel, tuple[str, ThemeColour]] = {
    EventLevel.DETAIL: ("  ", "muted"),
    EventLevel.INFO: ("  ", "plain"),
    EventLevel.SUCCESS: ("✓ ", "done"),
    EventLevel.WARNING: ("■ ", "warning"),
    EventLevel.ERROR: ("✗ ", "error"),
}
"""The sign and colour of events and outcomes."""


def theme_style(app: App[object], name: ThemeColour) -> Style:
    """Return the theme's style for a role."""
    if name == "plain":
        return Style.null()
    if name == "muted" and app.native_ansi_color:
        return Style(dim=True)  # the terminal knows what is readable on its background
    return _style(app.theme_variables["frame" if name == "track" else name])


@lru_cache(64)
def _style(colour: str) -> Style:
    return Style(color=Color.parse(colour).rich_color)
