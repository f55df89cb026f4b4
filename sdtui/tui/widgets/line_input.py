"""A one-line text input."""

from __future__ import annotations

from rich.text import Text

from sdtui.core.text import escape_same_width
from sdtui.tui.textual_internals.widgets import KeyInput


class LineInput(KeyInput):
    """Textual's input, one cell high. Anything can be pasted into it: Textual would send an escape
    sequence in the value to the terminal."""

    DEFAULT_CSS = "LineInput:ansi > .input--placeholder { color: ansi_default; text-style: dim; }"

    def __init__(self, value: str = "", *, placeholder: str = "", id: str | None = None) -> None:
        super().__init__(value, placeholder=placeholder, compact=True, select_on_focus=False, id=id)
        self.cursor_blink = False

    def paste(self, text: str) -> None:
        """Insert a pasted text on one line, without the line break that ends it."""
        super().paste(" ".join(line for line in text.splitlines() if line))

    def drawn_text(self) -> Text:
        return Text(escape_same_width(self.value), no_wrap=True, overflow="ignore", end="")
