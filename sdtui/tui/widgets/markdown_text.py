"""Markdown in the theme's colours."""

from __future__ import annotations

from rich.console import Console, ConsoleOptions, RenderResult
from rich.theme import Theme
from textual.app import App

from sdtui.tui.styles import ThemeColour, theme_style

_ROLES: dict[str, ThemeColour] = {
    "code": "name",
    "code_block": "name",
    "block_quote": "muted",
    "list": "plain",
    "item.bullet": "accent",
    "item.number": "accent",
    "hr": "frame",
    "h2": "accent",
    "h3": "accent",
    "h4": "accent",
    "h6": "muted",
    "link": "running",
    "link_url": "running",
    "table.border": "frame",
    "table.header": "accent",
}


class ThemedMarkdown:
    """A text in Markdown. Rich's own colours fit dark terminals only."""

    def __init__(self, app: App[object], text: str) -> None:
        self._app = app
        from rich.markdown import Markdown  # 3 MB, which an app without the manual doesn't need

        self._markdown = Markdown(text, hyperlinks=False)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        styles = {f"markdown.{name}": theme_style(self._app, role) for name, role in _ROLES.items()}
        with console.use_theme(Theme(styles)):
            yield from console.render(self._markdown, options)
