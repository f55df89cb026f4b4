"""Dialogs: a question, a line of text, something to read."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import ClassVar, TypeVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from sdtui.core.text import counted, one_line
from sdtui.tui.bindings import bindings_in
from sdtui.tui.labelled_line import LabelledLine
from sdtui.tui.textual_internals.screens import SteadyScreen
from sdtui.tui.widgets.answers import AnswerKey, Answers
from sdtui.tui.widgets.labelled_lines import LabelledLines
from sdtui.tui.widgets.line_input import LineInput
from sdtui.tui.widgets.status_line import StatusLine

Answer = TypeVar("Answer")

_WIDE_COLUMNS = 100


class Dialog(ModalScreen[Answer], SteadyScreen[Answer]):
    """A screen over the window that closes with an answer."""

    @on(events.Mount)
    @on(events.Resize)
    def _arrange(self) -> None:
        """Make large dialogs lower in wide windows, where pictures are shown above the prompt."""
        self.set_class(self.app.size.width >= _WIDE_COLUMNS, "-roomy")

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

    scope = "question"
    """Of the actions that answer."""

    def __init__(self, title: str, question: str, yes: str, no: str) -> None:
        """Escape is shown as `no`."""
        super().__init__()
        self._title = title
        self._question = question
        self.answers = [AnswerKey(f"{self.scope}.yes", yes), AnswerKey(f"{self.scope}.leave", no)]

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as box:
            box.border_title = self._title
            yield Static(Content(self._question))
            yield Answers(self.answers)

    def action_yes(self) -> None:
        self.answer(True)

    def action_no(self) -> None:
        self.answer(False)

    def action_leave(self) -> None:
        self.answer(None)


class OrphanedJobsScreen(ConfirmScreen, inherit_bindings=False):
    """Asks how to handle jobs that another process left in the queue. It may open while the user
    types, so no letter answers it, and discarding them takes a second key."""

    BINDINGS: ClassVar[list[BindingType]] = bindings_in("orphaned_jobs")
    scope = "orphaned_jobs"

    def __init__(self, question: str, jobs: int) -> None:
        super().__init__("Go on with the queue?", question, "Go on", "Ask next time")
        self.answers.append(AnswerKey("orphaned_jobs.no", "Discard"))
        self._jobs = jobs
        self._is_sure = False

    def action_no(self) -> None:
        if self._is_sure:
            self.answer(False)
            return
        self._is_sure = True
        self.query_one(".dialog").border_title = "Discard the queue?"
        lost = counted(self._jobs, "queued job")
        self.query_one(Static).update(Content(f"{lost} can't be brought back after that."))
        self.query_one(Answers).show(reversed(self.answers[1:]))
        self.refresh_bindings()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Let enter go on only before the user discards: it may be meant for the second key."""
        if action == "yes":
            return not self._is_sure
        return super().check_action(action, parameters)


class AskScreen(Dialog[str | None]):
    """Asks for a line of text."""

    CSS_PATH = "dialogs.tcss"
    BINDINGS: ClassVar[list[BindingType]] = bindings_in("ask")

    def __init__(
        self,
        title: str,
        text: str = "",
        hint: str = "",
        problem_of: Callable[[str], str] = lambda _: "",
    ) -> None:
        """`problem_of` says what is wrong with a text, which isn't taken then; "" if nothing."""
        super().__init__()
        self._title = title
        self._text = text
        self._hint = hint
        self._problem_of = problem_of

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as box:
            box.border_title = Content(one_line(self._title))
            yield LineInput(self._text, placeholder=self._hint)
            yield StatusLine()
            yield Answers([AnswerKey("ask.save", "Save"), AnswerKey("ask.close", "Cancel")])

    def action_save(self) -> None:
        text = self.query_one(LineInput).value
        problem = self._problem_of(text)
        if problem:
            self.query_one(StatusLine).show(problem, is_wrong=True)
        else:
            self.answer(text)

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
            box.border_subtitle = "y Copy   esc Back" if self._copy else "esc Back"
            yield self.view

    def on_mount(self) -> None:
        self.view.show_lines(self._lines)
        self.view.focus()

    def action_copy(self) -> None:
        if self._copy is not None:
            self._copy(self.view.text, self._title)

    def action_close(self) -> None:
        self.answer(None)
