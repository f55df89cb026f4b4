"""Small dialogs: a question, a line of text, a choice from a list, something to read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Input, Static

from sdtui.core.text import one_line
from sdtui.tui.bindings import bindings_in
from sdtui.tui.screens.dialog import Dialog
from sdtui.tui.screens.search_dialog import SearchDialog
from sdtui.tui.widgets.line_input import LineInput
from sdtui.tui.widgets.virtual_list import VirtualList


class ConfirmScreen(Dialog[bool | None]):
    """Asks once. The answer is None if someone leaves the question open."""

    CSS_PATH = "dialogs.tcss"
    BINDINGS: ClassVar[list[BindingType]] = bindings_in("question")

    def __init__(self, title: str, question: str, yes: str, no: str) -> None:
        """Leaving it open is the same as no."""
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

    def action_yes(self) -> None:
        """Yes."""
        self.answer(True)

    def action_no(self) -> None:
        """No."""
        self.answer(False)

    def action_leave(self) -> None:
        """Not now."""
        self.answer(None)


class OrphanedJobsScreen(ConfirmScreen, inherit_bindings=False):
    """Asks what to do with jobs that another process left in the queue. It opens by itself, maybe
    while someone types, so no letter answers it."""

    BINDINGS: ClassVar[list[BindingType]] = bindings_in("orphaned_jobs")

    def __init__(self, question: str) -> None:
        super().__init__("Go on?", question, "Go on", "Ask next time")
        self._answers += "      del  Forget them"


class AskScreen(Dialog[str | None]):
    """Asks for a line of text."""

    CSS_PATH = "dialogs.tcss"
    BINDINGS: ClassVar[list[BindingType]] = bindings_in("ask")

    def __init__(self, title: str, text: str = "", hint: str = "") -> None:
        super().__init__()
        self._title = title
        self._text = text
        self._hint = hint

    def compose(self) -> ComposeResult:
        """One line to write in."""
        with Vertical(classes="dialog") as box:
            box.border_title = Content(one_line(self._title))
            yield LineInput(self._text, placeholder=self._hint)
            yield Static(Content("enter  take it      esc  leave it"), classes="keys")

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        self.answer(event.value)

    def action_close(self) -> None:
        """Write nothing."""
        self.answer(None)


class TextScreen(Dialog[None]):
    """Something to read, as long as it may be."""

    CSS_PATH = "dialogs.tcss"
    BINDINGS: ClassVar[list[BindingType]] = bindings_in("viewer")

    def __init__(self, title: str, text: Text) -> None:
        super().__init__()
        self._title = title
        self._text = text

    def compose(self) -> ComposeResult:
        """Text that scrolls."""
        with VerticalScroll(classes="dialog") as box:
            box.border_title = Content(one_line(self._title))
            box.border_subtitle = "esc"
            yield Static(self._text)

    def action_close(self) -> None:
        """Back to the window."""
        self.answer(None)


class Choices(VirtualList[str]):
    """One name a line."""

    def __init__(self, empty_name: str) -> None:
        super().__init__()
        self.empty = "Nothing was found."
        self._empty_name = empty_name

    def item_text(self, item: str, width: int) -> Text:
        return Text(one_line(item) or self._empty_name)


class ChooseScreen(SearchDialog):
    """One of a few names."""

    choices: Choices

    def __init__(
        self, title: str, names: Sequence[str], current: str = "", empty_name: str = "auto"
    ) -> None:
        super().__init__(title, "type to narrow down")
        self.names = [*names]
        self._current = current
        self.choices = Choices(empty_name)

    def on_mount(self) -> None:
        """Begin at what is chosen now."""
        self.narrow()
        if self._current in self.choices.items:
            self.choices.cursor = self.choices.items.index(self._current)

    def narrow(self) -> None:
        """Show what the filter lets through."""
        self.choices.show_items([name for name in self.names if self.lets_through(name)])

    def action_choose(self) -> None:
        """Take the line with the cursor."""
        name = self.choices.selected
        if name is not None:
            self.answer(name)
