"""A list with a cursor. It draws only the visible lines, so its length doesn't matter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Generic, TypeVar

from rich.text import Text
from textual import events
from textual.binding import BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from sdtui.tui.bindings import bindings_in
from sdtui.tui.messages import message
from sdtui.tui.styles import theme_style
from sdtui.tui.textual_internals.widgets import set_scrollbar_length
from sdtui.tui.widgets.lazy_refresh import RefreshWhenVisible

_Item = TypeVar("_Item")


class VirtualList(Generic[_Item], ScrollView, RefreshWhenVisible, can_focus=True):
    """Shows items, one a line. Subclasses implement `item_text`."""

    BINDINGS: ClassVar[list[BindingType]] = bindings_in("list")
    COMPONENT_CLASSES: ClassVar[set[str]] = {"lines--cursor"}
    DEFAULT_CSS = """
    VirtualList {
        width: 100%;
        height: 1fr;
        padding: 0 1;
        overflow-x: hidden;
        scrollbar-size-vertical: 1;
        background: transparent;
        & > .lines--cursor { background: $panel; }
        &:focus > .lines--cursor, &.-chosen-from > .lines--cursor {
            background: $focus;
            color: $focus-text;
        }
        &:ansi > .lines--cursor {
            background: ansi_default;
            color: ansi_default;
            text-style: bold underline;
        }
        &:ansi:focus > .lines--cursor, &:ansi.-chosen-from > .lines--cursor {
            background: ansi_default;
            color: ansi_default;
            text-style: reverse;
        }
    }
    """

    count: reactive[int] = reactive(0)
    cursor: reactive[int] = reactive(0)
    empty: reactive[str] = reactive("")
    """Shown if there is no line, wrapped."""
    marks_cursor_without_focus = True

    @message
    class Highlighted(Message):
        """The cursor moved, or its line holds another item."""

        lines: VirtualList[Any]
        index: int

        @property
        def control(self) -> VirtualList[Any]:
            return self.lines

    @message
    class Clicked(Message):
        """The line with the cursor was clicked once more."""

        lines: VirtualList[Any]
        index: int

        @property
        def control(self) -> VirtualList[Any]:
            return self.lines

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.items: Sequence[_Item] = ()

    def show_items(self, items: Sequence[_Item]) -> None:
        """Show these items. The cursor stays in its line."""
        self.items = items
        self.count = len(items)
        self.refresh()

    @property
    def selected(self) -> _Item | None:
        """The item with the cursor."""
        return self.items[self.cursor] if 0 <= self.cursor < len(self.items) else None

    def visible_items(self) -> list[tuple[int, _Item]]:
        """Return the items that are scrolled into view, with their indexes."""
        first = max(0, round(self.scroll_offset.y))
        last = first + self.size.height + 1
        return list(enumerate(self.items[first:last], first))

    def item_text(self, item: _Item, width: int) -> Text:
        """Return an item's line, for `width` columns. Never made from markup."""
        raise NotImplementedError

    def validate_cursor(self, cursor: int) -> int:
        """Keep the cursor on a line."""
        return max(0, min(cursor, self.count - 1))

    def watch_count(self) -> None:
        self._measure()
        self.cursor = self.validate_cursor(self.cursor)
        self.refresh()

    def move_to(self, line: int) -> None:
        """Put the cursor on a line, which may hold another item than before."""
        if line == self.cursor:
            self.watch_cursor()
        else:
            self.cursor = line

    def watch_cursor(self) -> None:
        self.show_cursor_line()
        self.refresh()
        self.post_message(self.Highlighted(self, self.cursor))

    def show_cursor_line(self) -> None:
        """Scroll so that the cursor is visible."""
        self.scroll_to_region(Region(0, self.cursor, 1, 1), animate=False, force=True, x_axis=False)

    def on_resize(self) -> None:
        self._measure()
        self.show_cursor_line()

    def _measure(self) -> None:
        size = Size(self.scrollable_content_region.width, self.count)
        overflows = self.count > self.container_size.height
        if size.width == self.virtual_size.width and overflows == self.show_vertical_scrollbar:
            # Only the scrollbar moves. A new layout would make every added line cost as much as a
            # new window.
            self.set_reactive(VirtualList.virtual_size, size)
            if overflows:
                set_scrollbar_length(self.vertical_scrollbar, self.count)
        else:
            self.virtual_size = size

    def render_line(self, y: int) -> Strip:
        index = y + round(self.scroll_offset.y)
        width = self.scrollable_content_region.width
        base = self.visual_style.rich_style
        if width <= 0 or (index >= self.count > 0):
            return Strip.blank(width, base)
        text = self._empty_line(index, width)
        if self.count:
            text = self.item_text(self.items[index], width)
        text.truncate(width, overflow="ellipsis", pad=True)
        marked = self.has_focus or self.marks_cursor_without_focus
        if marked and index == self.cursor < self.count:
            style = self.get_component_rich_style("lines--cursor")
            if self.has_focus or self.has_class("-chosen-from"):
                text = Text(text.plain)
            text.stylize(style)
        strip = Strip(list(text.render(self.app.console)))
        return strip.apply_style(base).adjust_cell_length(width, base)

    def _empty_line(self, index: int, width: int) -> Text:
        lines = self.faint(self.empty).wrap(self.app.console, width)
        return lines[index] if index < len(lines) else Text()

    def faint(self, text: str) -> Text:
        """Return muted text."""
        return Text().append(text, theme_style(self.app, "muted"))

    def on_click(self, event: events.Click) -> None:
        index = event.y + round(self.scroll_offset.y)
        if index == self.cursor:
            self.post_message(self.Clicked(self, index))
        elif index < self.count:
            self.cursor = index

    def action_cursor_up(self) -> None:
        self.cursor -= 1

    def action_cursor_down(self) -> None:
        self.cursor += 1

    def action_page_up(self) -> None:
        self.cursor -= max(1, self.content_size.height - 1)

    def action_page_down(self) -> None:
        self.cursor += max(1, self.content_size.height - 1)

    def action_first(self) -> None:
        self.cursor = 0

    def action_last(self) -> None:
        self.cursor = self.count - 1
