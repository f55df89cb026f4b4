"""A dialog with a list to choose from. Typing filters it while the arrows move through it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Input

from sdtui.core.text import one_line
from sdtui.tui.bindings import bindings_in
from sdtui.tui.screens.dialogs import Dialog
from sdtui.tui.widgets.line_input import LineInput
from sdtui.tui.widgets.virtual_list import VirtualList


class SearchDialog(Dialog[str | None]):
    """Subclasses filter the list (`narrow`) and choose from it (`action_choose`)."""

    CSS_PATH = "dialogs.tcss"
    BINDINGS: ClassVar[list[BindingType]] = bindings_in("choose")

    choices: VirtualList[Any]

    def __init__(self, title: str, placeholder: str) -> None:
        super().__init__()
        self._title = title
        self.filter = LineInput(placeholder=placeholder)

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog -list") as box:
            box.border_title = Content(one_line(self._title))
            yield self.filter
            yield self.choices
            yield from self.below()

    def below(self) -> tuple[Widget, ...]:
        """Return the widgets under the list."""
        return ()

    def on_mount(self) -> None:
        self.filter.focus()

    def narrow(self) -> None:
        """List the items that match the filter."""
        raise NotImplementedError

    def lets_through(self, text: str) -> bool:
        """True if every word of the filter is in `text`."""
        return all(word in text.casefold() for word in self.filter.value.casefold().split())

    def action_choose(self) -> None:
        raise NotImplementedError

    @on(Input.Changed)
    def _filtered(self) -> None:
        self.narrow()

    @on(VirtualList.Clicked)
    def _clicked(self) -> None:
        self.action_choose()

    def action_close(self) -> None:
        self.answer(None)

    def action_up(self) -> None:
        self.choices.action_cursor_up()

    def action_down(self) -> None:
        self.choices.action_cursor_down()

    def action_page_up(self) -> None:
        self.choices.action_page_up()

    def action_page_down(self) -> None:
        self.choices.action_page_down()


class Choices(VirtualList[str]):
    """One name a line."""

    def __init__(self, empty_name: str) -> None:
        super().__init__()
        self.empty = "Nothing was found."
        self._empty_name = empty_name

    def item_text(self, item: str, width: int) -> Text:
        return Text(one_line(item) or self._empty_name)


class ChooseScreen(SearchDialog):
    """Asks for one of a few names."""

    choices: Choices

    def __init__(
        self, title: str, names: Sequence[str], current: str = "", empty_name: str = "auto"
    ) -> None:
        super().__init__(title, "type to narrow down")
        self.names = [*names]
        self._current = current
        self.choices = Choices(empty_name)

    def on_mount(self) -> None:
        self.narrow()
        if self._current in self.choices.items:
            self.choices.cursor = self.choices.items.index(self._current)

    def narrow(self) -> None:
        """List the names that match the filter."""
        self.choices.show_items([name for name in self.names if self.lets_through(name)])

    def action_choose(self) -> None:
        name = self.choices.selected
        if name is not None:
            self.answer(name)
