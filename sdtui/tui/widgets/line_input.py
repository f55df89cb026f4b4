"""A line to write in."""

from __future__ import annotations

from rich.text import Text
from textual.widgets import Input

from sdtui.core.escapes import escape_same_width


class LineInput(Input):
    """Textual's, one cell high, and safe to paste anything into: Textual would hand an escape
    sequence in the value on to the terminal."""

    DEFAULT_CSS = "LineInput:ansi > .input--placeholder { color: ansi_default; text-style: dim; }"

    def __init__(self, value: str = "", *, placeholder: str = "", id: str | None = None) -> None:
        super().__init__(value, placeholder=placeholder, compact=True, select_on_focus=False, id=id)
        self.cursor_blink = False

    @property
    def _value(self) -> Text:
        """What is drawn."""
        return Text(escape_same_width(self.value), no_wrap=True, overflow="ignore", end="")
