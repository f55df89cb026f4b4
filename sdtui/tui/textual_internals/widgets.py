"""Widgets that decide which keys they take, and a scrollbar without a new layout."""

from __future__ import annotations

from rich.text import Text
from textual import events
from textual.scrollbar import ScrollBar
from textual.widgets import Input, TextArea


class KeyInput(Input):
    """An input whose subclasses decide which keys it takes and how its text is drawn."""

    def refuses(self, event: events.Key) -> bool:
        """Return True for a key that must not be handled as text."""
        return False

    def drawn_text(self) -> Text:
        """Return the text as it is drawn."""
        return super()._value

    def paste(self, text: str) -> None:
        """Insert a pasted text; it is all of it."""
        self.replace(text, *self.selection)

    def _on_paste(self, event: events.Paste) -> None:
        """Textual takes the first line only."""
        event.prevent_default()
        event.stop()
        self.paste(event.text)

    async def _on_key(self, event: events.Key) -> None:
        if self.refuses(event):
            event.prevent_default()
        else:
            await super()._on_key(event)

    @property
    def _value(self) -> Text:
        return self.drawn_text()


class KeyTextArea(TextArea):
    """A text area whose subclasses decide which keys it takes, and can handle them after it."""

    def refuses(self, event: events.Key) -> bool:
        """Return True for a key that must not be handled as text."""
        return False

    async def after_key(self, event: events.Key) -> None:
        """Called after Textual has handled a key."""

    def after_paste(self, pasted: str, before: str) -> None:
        """Called after Textual has inserted a pasted text; `before` is the whole text without
        it."""

    async def _on_paste(self, event: events.Paste) -> None:
        event.prevent_default()
        before = self.text
        await super()._on_paste(event)
        self.after_paste(event.text, before)

    async def _on_key(self, event: events.Key) -> None:
        if self.refuses(event):
            event.prevent_default()
            return
        await super()._on_key(event)
        await self.after_key(event)


def set_scrollbar_length(scrollbar: ScrollBar, lines: int) -> None:
    """Tell a scrollbar how many lines there are, without a new layout."""
    scrollbar.window_virtual_size = lines
