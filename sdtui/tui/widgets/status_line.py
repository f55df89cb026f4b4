"""A line of a dialog that says what was done, or what is wrong."""

from __future__ import annotations

from textual.content import Content
from textual.widgets import Static

from sdtui.core.text import one_line


class StatusLine(Static):
    """Has the class `-wrong` while it shows a problem."""

    def show(self, text: str | Content, *, is_wrong: bool = False) -> None:
        """Show a text, from outside too, in place of the last."""
        self.set_class(is_wrong, "-wrong")
        self.update(Content(one_line(text)) if isinstance(text, str) else text)
