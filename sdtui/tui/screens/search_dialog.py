"""A dialog with a list to choose from. Typing filters it while the arrows move through it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Input

from sdtui.core.ranking import SearchText, ranked
from sdtui.core.text import one_line, visible
from sdtui.tui.bindings import bindings_in
from sdtui.tui.screens.dialogs import Dialog
from sdtui.tui.widgets.line_input import LineInput
from sdtui.tui.widgets.virtual_list import VirtualList

NOTHING_FOUND = "Nothing was found."


class SearchDialog(Dialog[Any]):
    """Subclasses search the list (`matches`) and choose from it (`choose`).

    When the filter changes, the cursor goes to the best match. When the list changes by itself, it
    stays on its item.
    """

    CSS_PATH = "dialogs.tcss"
    BINDINGS: ClassVar[list[BindingType]] = bindings_in("choose")

    choices: VirtualList[Any]

    def __init__(self, title: str, placeholder: str) -> None:
        super().__init__()
        self._title = title
        self.filter = LineInput(placeholder=placeholder)
        self._listed_for: str | None = None
        """The filter's text when the list was last searched; None before the first time."""

    def compose(self) -> ComposeResult:
        self.choices.add_class("-chosen-from")  # the keys of the filter move its cursor
        with Vertical(classes="dialog -list") as box:
            box.border_title = Content(one_line(self._title))
            yield self.filter
            yield from self.above()
            with Horizontal():
                yield self.choices
                yield from self.aside()
            yield from self.below()

    def above(self) -> tuple[Widget, ...]:
        """Return the widgets between the filter and the list."""
        return ()

    def aside(self) -> tuple[Widget, ...]:
        """Return the widgets at the right of the list."""
        return ()

    def below(self) -> tuple[Widget, ...]:
        """Return the widgets under the list."""
        return ()

    def on_mount(self) -> None:
        self.filter.focus()
        self.narrow()

    def matches(self, query: str) -> Sequence[Any]:
        """Return the items that match what was typed, best first."""
        raise NotImplementedError

    def key_of(self, item: Any) -> object:
        """Return what an item is recognised by after the list has changed."""
        return item

    def first_place(self, query: str) -> int:
        """Return the line for the cursor when the filter has changed."""
        return 0

    async def choose(self, item: Any) -> None:
        """Called with the item that the user chose."""
        raise NotImplementedError

    def begin_anew(self) -> None:
        """Put the cursor on the best match when the list is searched next."""
        self._listed_for = None

    def narrow(self) -> None:
        """List the items that match the filter."""
        query, before = self.filter.value, self.choices.selected
        is_new = query != self._listed_for
        self._listed_for = query
        items = self.matches(query)
        keys = [self.key_of(item) for item in items]
        before_key = None if is_new or before is None else self.key_of(before)
        self.choices.show_items(items)
        is_there = before_key in keys
        self.choices.move_to(keys.index(before_key) if is_there else self.first_place(query))

    async def action_choose(self) -> None:
        """Choose the item with the cursor, which is that of the filter's present text."""
        if self.filter.value != self._listed_for:
            self.narrow()
        item = self.choices.selected
        if item is None:
            self.notify(NOTHING_FOUND, timeout=3)
        else:
            await self.choose(item)

    @on(Input.Changed)
    def _filter_changed(self) -> None:
        if self.filter.value != self._listed_for:
            self.narrow()

    @on(VirtualList.Clicked)
    async def _clicked(self) -> None:
        await self.action_choose()

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

    def __init__(self) -> None:
        super().__init__()
        self.empty = NOTHING_FOUND

    def item_text(self, item: str, width: int) -> Text:
        return Text(visible(item, keep=""))  # with its blanks: the lines of a tree begin with them


class ChooseScreen(SearchDialog):
    """Asks for one of a few names."""

    choices: Choices

    def __init__(self, title: str, names: Sequence[str], current: str = "") -> None:
        super().__init__(title, "type to search")
        self.names = [*names]
        self._current = current
        self.choices = Choices()

    def matches(self, query: str) -> list[str]:
        return ranked(query, self.names, SearchText)

    def first_place(self, query: str) -> int:
        """Begin on the current name."""
        items = self.choices.items
        return items.index(self._current) if not query.strip() and self._current in items else 0

    async def choose(self, item: str) -> None:
        self.answer(item)
