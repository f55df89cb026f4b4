"""Dialogs: a question, a line of text, something to read."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import ClassVar, TypeVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from sdtui.core.text import one_line
from sdtui.tui.bindings import bindings_in
from sdtui.tui.labelled_line import LabelledLine
from sdtui.tui.textual_internals import SteadyScreen
from sdtui.tui.widgets.labelled_lines import LabelledLines
from sdtui.tui.widgets.line_input import LineInput

Answer = TypeVar("Answer")


class Dialog(ModalScreen[Answer], SteadyScreen[Answer]):
    """A screen over the window that closes with an answer."""

    def answer(self, answer: Answer) -> bool:
        """Close with an answer. Returns False if the dialog isn't on top: two clicks may arrive at
        once, and another screen may cover it, which Textual's `dismiss` would close instead."""
        if self.app.screen is not self:
            return False
        self.dismiss(answer)
        return True


class ConfirmScreen(Dialog[bool | None]):
    """Asks a question. The answer is None if it is left open."""

    CSS_PATH = "dialogs.tcss"
    BINDINGS: ClassVar[list[BindingType]] = bindings_in("question")

    def __init__(self, title: str, question: str, yes: str, no: str) -> None:
        """Escape is shown as `no`."""
        super().__init__()
        self._title = title
        self._question = question
        self._answers = f"enter  {yes}      esc  {no}"

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as box:
            box.border_title = self._title
            yield Static(Content(self._question))
            yield Static(Content(self._answers), classes="keys")

    def action_yes(self) -> None:
        self.answer(True)

    def action_no(self) -> None:
        self.answer(False)

    def action_leave(self) -> None:
        self.answer(None)


class OrphanedJobsScreen(ConfirmScreen, inherit_bindings=False):
    """Asks how to handle jobs that another process left in the queue. It may open while the user
    types, so no letter answers it."""

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
        with Vertical(classes="dialog") as box:
            box.border_title = Content(one_line(self._title))
            yield LineInput(self._text, placeholder=self._hint)
            yield Static(Content("enter  take it      esc  leave it"), classes="keys")

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        self.answer(event.value)

    def action_close(self) -> None:
        self.answer(None)


class TextScreen(Dialog[None]):
    """Shows lines that scroll and can be copied."""

    CSS_PATH = "dialogs.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings_in("viewer"), *bindings_in("text")]

    def __init__(
        self,
        title: str,
        lines: Iterable[LabelledLine],
        copy: Callable[[str, str], None] | None = None,
    ) -> None:
        """`copy` copies a text; its second argument describes the text. None means that the text
        can't be copied."""
        super().__init__()
        self._title = one_line(title)
        self._lines = tuple(lines)
        self._copy = copy
        self.view = LabelledLines()

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog -text") as box:
            box.border_title = Content(self._title)
            box.border_subtitle = "y copy · esc" if self._copy else "esc"
            yield self.view

    def on_mount(self) -> None:
        self.view.show_lines(self._lines)
        self.view.focus()

    def action_copy(self) -> None:
        if self._copy is not None:
            self._copy(self.view.text, self._title)

    def action_close(self) -> None:
        self.answer(None)
