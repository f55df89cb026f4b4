"""The line in which a search is written."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from sdtui.tui.bindings import bindings_in
from sdtui.tui.widgets.line_input import LineInput


class SearchInput(LineInput):
    """The input of a search."""

    BINDINGS: ClassVar[list[BindingType]] = bindings_in("search")

    class Left(Message):
        """The user wants everything to be listed again."""

    class ChoiceWanted(Message):
        """The user wants to choose from saved searches."""

    class SaveWanted(Message):
        """The user wants to save the search, or to forget it if it is saved."""

    def action_leave(self) -> None:
        self.post_message(self.Left())

    def action_saved(self) -> None:
        self.post_message(self.ChoiceWanted())

    def action_save(self) -> None:
        self.post_message(self.SaveWanted())


class SearchLine(Vertical):
    """Shows the search while it is written or filters the gallery, and what is wrong with it."""

    DEFAULT_CSS = """
    SearchLine {
        height: auto;
        padding: 0 1;
        display: none;
        &.-used { display: block; }
        & > Input { height: 1; background: transparent; padding: 0; }
        & > Input.-wrong { color: $error; }
        & > Static { height: auto; color: $error; display: none; }
        & > Static.-shown { display: block; }
    }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.input = SearchInput(placeholder="search · ↓ saved · ^s save · esc everything")
        self.problem = Static()

    def compose(self) -> ComposeResult:
        yield self.input
        yield self.problem

    def show_problem(self, problem: str) -> None:
        """Say what is wrong with the search; "" if nothing is."""
        self.input.set_class(bool(problem), "-wrong")
        self.problem.set_class(bool(problem), "-shown")
        self.problem.update(Content(f"↑ {problem}"))
