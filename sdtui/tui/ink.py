"""The theme's colours as styles for text."""

from __future__ import annotations

from typing import Literal

from rich.style import Style
from textual.app import App
from textual.color import Color

Ink = Literal["plain", "muted", "accent", "success", "warning", "error", "track"]


def ink(app: App[object], name: Ink) -> Style:
    """The style that a theme has for a purpose."""
    if name == "plain":
        return Style.null()
    if name == "muted":
        return Style(dim=True)
    variable = "panel" if name == "track" else name
    return Style(color=Color.parse(app.theme_variables[variable]).rich_color)
