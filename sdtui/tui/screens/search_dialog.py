"""A dialog with a list to choose from; typing narrows it down while the arrows move through it."""

from __future__ import annotations

from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Input

from sdtui.core.text import one_line
from sdtui.tui.bindings import bindings_in
from sdtui.tui.screens.dialog import Dialog
from sdtui.tui.widgets.line_input import LineInput
from sdtui.tui.widgets.virtual_list import VirtualList


class SearchDialog(Dialog[str | None]):
    """Subclasses say what is left in the list (`narrow`) and what choosing does."""

    CSS_PATH = "dialogs.tcss"
    BINDINGS: ClassVar[list[BindingType]] = bindings_in("choose")

    choices: VirtualList[Any]

    def __init__(self, title: str, placeholder: str) -> None:
        super().__init__()
        self._title = title
        self.filter = LineInput(placeholder=placeholder)

    def compose(self) -> ComposeResult:
        """What narrows down, what is left, and what there is to say."""
        with Vertical(classes="dialog -list") as box:
            box.border_title = Content(one_line(self._title))
            yield self.filter
            yield self.choices
            yield from self.below()

    def below(self) -> tuple[Widget, ...]:
        """What stands under the list."""
        return ()

    def on_mount(self) -> None:
        """One may type at once."""
        self.filter.focus()

    def narrow(self) -> None:
        """Show what the filter lets through."""
        raise NotImplementedError

    def lets_through(self, text: str) -> bool:
        """Whether every word of the filter is in `text`."""
        return all(word in text.casefold() for word in self.filter.value.casefold().split())

    def action_choose(self) -> None:
        """Take the line with the cursor."""
        raise NotImplementedError

    @on(Input.Changed)
    def _filtered(self) -> None:
        self.narrow()

    @on(VirtualList.Clicked)
    def _clicked(self) -> None:
        self.action_choose()

    def action_close(self) -> None:
        """Choose nothing."""
        self.answer(None)

    def action_up(self) -> None:
        """One line up."""
        self.choices.action_cursor_up()

    def action_down(self) -> None:
        """One line down."""
        self.choices.action_cursor_down()

    def action_page_up(self) -> None:
        """One page up."""
        self.choices.action_page_up()

    def action_page_down(self) -> None:
        """One page down."""
        self.choices.action_page_down()
