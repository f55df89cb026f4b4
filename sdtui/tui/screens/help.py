"""What F1 shows: the focused pane, and every key that works there."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from sdtui.tui.screens.dialogs import TextScreen


class HelpScreen(TextScreen):
    """An explanation and a table of keys."""

    def __init__(self, title: str, about: str, keys: Sequence[tuple[str, str]]) -> None:
        text = Text(f"{about}\n\n")
        width = max((len(key) for key, _ in keys), default=0)
        for key, help_text in keys:
            text.append(f"{key:>{width}}  ", "bold").append(f"{help_text}\n")
        super().__init__(title, text)
