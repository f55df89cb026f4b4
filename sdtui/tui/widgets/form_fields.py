"""The controls that the form is made of, one line high each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.text import Text
from textual import events
from textual.geometry import Size
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget
from textual.widgets import Input

from sdtui.core.text import one_line
from sdtui.tui.fields import FieldSpec


@dataclass
class FieldChanged(Message):
    """A field of the form has another value."""

    field: str


@dataclass
class FieldOpened(Message):
    """Someone wants to see what a field can be."""

    field: str


class TextField(Input):
    """A number or a path."""

    def __init__(self, spec: FieldSpec) -> None:
        super().__init__(
            placeholder=spec.open_text, compact=True, select_on_focus=False, id=f"field-{spec.name}"
        )
        self.spec = spec

    def check_consume_key(self, key: str, character: str | None) -> bool:
        """Letters are keys in a field of numbers, not text."""
        if self.spec.kind != "path" and character is not None and not _is_of_number(character):
            return False
        return super().check_consume_key(key, character)

    async def _on_key(self, event: events.Key) -> None:
        if self.spec.kind != "path" and event.is_printable:
            if not _is_of_number(event.character or ""):
                event.prevent_default()
                return
        elif event.key in ("up", "down") and self.spec.kind != "path":
            event.stop()
            event.prevent_default()
            self.value = self.spec.stepped(self.value, 1 if event.key == "up" else -1)
            self.cursor_position = len(self.value)
            return
        elif event.key == "enter" and self.spec.kind == "path":
            event.stop()
            event.prevent_default()
            self.post_message(FieldOpened(self.spec.name))
            return
        await super()._on_key(event)

    @property
    def text(self) -> str:
        """What is written."""
        return self.value

    @text.setter
    def text(self, text: str) -> None:
        self.value = text

    def watch_value(self, value: str) -> None:
        """Tell the form."""
        self.post_message(FieldChanged(self.spec.name))


def _is_of_number(letter: str) -> bool:
    return letter in "0123456789.-"


class ChoiceField(Widget, can_focus=True):
    """One of a few names: left and right take the next, enter shows them all."""

    DEFAULT_CSS = """
    ChoiceField { width: 1fr; height: 1; }
    ChoiceField:focus { background: $panel; }
    """

    text: reactive[str] = reactive("")

    def __init__(self, spec: FieldSpec) -> None:
        super().__init__(id=f"field-{spec.name}")
        self.spec = spec
        self.choices: Sequence[str] = spec.choices
        self.placeholder = spec.open_text
        self.set_reactive(ChoiceField.text, spec.default)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """One line, however long the value."""
        return 1

    def render(self) -> Text:
        """The value, and a sign that there are others."""
        width = max(1, self.content_size.width - 2)
        shown = Text(one_line(self.text) or self.placeholder, "" if self.text else "dim")
        shown.truncate(width, overflow="ellipsis", pad=True)
        return shown.append("▾ ", "dim")

    def watch_text(self) -> None:
        """Tell the form."""
        self.post_message(FieldChanged(self.spec.name))

    def on_key(self, event: events.Key) -> None:
        """Arrows and enter."""
        if event.key in ("left", "up", "right", "down") and self.choices:
            event.stop()
            self._take_next(1 if event.key in ("right", "down") else -1)
        elif event.key in ("enter", "space") or (event.key in ("left", "right", "up", "down")):
            event.stop()
            self.post_message(FieldOpened(self.spec.name))

    def on_click(self) -> None:
        """The same as enter."""
        self.post_message(FieldOpened(self.spec.name))

    def _take_next(self, by: int) -> None:
        place = self.choices.index(self.text) if self.text in self.choices else 0
        self.text = self.choices[(place + by) % len(self.choices)]
