"""The theme's colours as styles for text."""

from __future__ import annotations

from typing import Literal

from rich.style import Style
from textual.app import App
from textual.color import Color

ThemeColour = Literal["plain", "muted", "accent", "success", "warning", "error", "track"]


def theme_style(app: App[object], name: ThemeColour) -> Style:
    """Return the theme's style for a purpose."""
    if name == "plain":
        return Style.null()
    if name == "muted":
        return Style(dim=True)
    variable = "panel" if name == "track" else name
    return Style(color=Color.parse(app.theme_variables[variable]).rich_color)
