"""What F1 shows: the focused pane, and every key that works there."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static


class HelpScreen(ModalScreen[None]):
    """An explanation and a table of keys."""

    CSS_PATH = "dialogs.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,enter,f1", "dismiss(None)")]

    def __init__(self, title: str, about: str, keys: list[tuple[str, str]]) -> None:
        super().__init__()
        self._title = title
        self._about = about
        self._keys = keys

    def compose(self) -> ComposeResult:
        """Text that scrolls."""
        with VerticalScroll(classes="dialog") as box:
            box.border_title = self._title
            box.border_subtitle = "esc"
            yield Static(self._text())

    def _text(self) -> Text:
        text = Text(self._about)
        text.append("\n\n")
        width = max((len(key) for key, _ in self._keys), default=0)
        for key, help_text in self._keys:
            text.append(f"{key:>{width}}  ", "bold").append(f"{help_text}\n")
        return text
