"""Small dialogs: a question, a choice from a list, a line of text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from sdtui.core.text import one_line
from sdtui.tui.widgets.lines import Lines


class ConfirmScreen(ModalScreen[bool]):
    """Asks once. Enter or y is yes, escape or n is no."""

    CSS_PATH = "dialogs.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,y", "answer(True)"),
        Binding("escape,n", "answer(False)"),
    ]

    def __init__(self, title: str, question: str, yes: str, no: str) -> None:
        super().__init__()
        self._title = title
        self._question = question
        self._answers = f"enter  {yes}      esc  {no}"

    def compose(self) -> ComposeResult:
        """Question, and under it the answers."""
        with Vertical(classes="dialog") as box:
            box.border_title = self._title
            yield Static(Content(self._question))
            yield Static(Content(self._answers), classes="keys")

    def action_answer(self, answer: bool) -> None:
        """Answer."""
        self.dismiss(answer)


class AskScreen(ModalScreen[str | None]):
    """Asks for a line of text."""

    CSS_PATH = "dialogs.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(None)")]

    def __init__(self, title: str, text: str = "", hint: str = "") -> None:
        super().__init__()
        self._title = title
        self._text = text
        self._hint = hint

    def compose(self) -> ComposeResult:
        """One line to write in."""
        with Vertical(classes="dialog") as box:
            box.border_title = self._title
            yield Input(self._text, placeholder=self._hint, compact=True)
            yield Static(Content("enter  take it      esc  leave it"), classes="keys")

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        self.dismiss(event.value)


class Choices(Lines):
    """Names, of which some are shown."""

    def __init__(self, empty_name: str) -> None:
        super().__init__()
        self._empty_name = empty_name
        self.shown: list[str] = []

    def use(self, names: list[str]) -> None:
        """Show these."""
        self.shown = names
        self.count = len(names)
        self.refresh()

    def line_text(self, index: int, width: int) -> Text:
        """The name."""
        return Text(one_line(self.shown[index]) or self._empty_name)


class ChooseScreen(ModalScreen[str | None]):
    """A list to choose from; typing narrows it down."""

    CSS_PATH = "dialogs.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(None)")]

    def __init__(
        self, title: str, names: Sequence[str], current: str = "", empty_name: str = "auto"
    ) -> None:
        super().__init__()
        self._title = title
        self.names = list(names)
        self._current = current
        self.filter = Input(placeholder="type to narrow down", compact=True)
        self.list = Choices(empty_name)

    def compose(self) -> ComposeResult:
        """What narrows down, and what is left."""
        with Vertical(classes="dialog -list") as box:
            box.border_title = self._title
            yield self.filter
            yield self.list

    def on_mount(self) -> None:
        """Begin at what is chosen now."""
        self.narrow()
        if self._current in self.list.shown:
            self.list.cursor = self.list.shown.index(self._current)
        self.filter.focus()

    def narrow(self) -> None:
        """Show what the filter lets through."""
        words = self.filter.value.casefold().split()
        self.list.use(
            [name for name in self.names if all(word in name.casefold() for word in words)]
        )

    @on(Input.Changed)
    def _filtered(self) -> None:
        self.narrow()

    def on_key(self, event: events.Key) -> None:
        """The list is moved through while one types."""
        moves = {"up": -1, "down": 1, "pageup": -10, "pagedown": 10}
        if event.key in moves:
            event.stop()
            self.list.cursor += moves[event.key]
        elif event.key == "enter":
            event.stop()
            self.choose()

    @on(Lines.Clicked)
    def choose(self) -> None:
        """Take the line with the cursor."""
        if self.list.shown:
            self.dismiss(self.list.shown[self.list.cursor])
