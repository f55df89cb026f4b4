"""A list of lines with a cursor. It draws only what is seen, so its length doesn't matter."""

from __future__ import annotations

from typing import ClassVar

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
from sdtui.tui.widgets.lazy_refresh import RefreshWhenVisible


class VirtualList(ScrollView, RefreshWhenVisible, can_focus=True):
    """Subclasses say what stands in a line (`line_text`) and set `count`."""

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
        &:focus > .lines--cursor { background: $accent; color: $background; }
        &:ansi > .lines--cursor {
            background: ansi_default;
            color: ansi_default;
            text-style: bold underline;
        }
        &:ansi:focus > .lines--cursor { text-style: reverse; }
    }
    """

    count: reactive[int] = reactive(0)
    cursor: reactive[int] = reactive(0)
    empty: reactive[str] = reactive("")
    """What is said where there is no line."""

    @message
    class Highlighted(Message):
        """The cursor came to another line, or there is another thing in it."""

        lines: VirtualList
        index: int

        @property
        def control(self) -> VirtualList:
            """Whose it is."""
            return self.lines

    @message
    class Clicked(Message):
        """The line with the cursor was clicked once more."""

        lines: VirtualList
        index: int

        @property
        def control(self) -> VirtualList:
            """Whose it is."""
            return self.lines

    def line_text(self, index: int, width: int) -> Text:
        """What stands in a line. Never made from markup."""
        raise NotImplementedError

    def validate_cursor(self, cursor: int) -> int:
        """Keep the cursor on a line."""
        return max(0, min(cursor, self.count - 1))

    def watch_count(self, count: int) -> None:
        """More or fewer lines."""
        self._measure()
        self.cursor = self.validate_cursor(self.cursor)
        self.refresh()

    def watch_cursor(self) -> None:
        """Keep the cursor in sight."""
        self.show_cursor_line()
        self.refresh()
        self.post_message(self.Highlighted(self, self.cursor))

    def show_cursor_line(self) -> None:
        """Scroll so that the cursor is seen."""
        self.scroll_to_region(Region(0, self.cursor, 1, 1), animate=False, force=True, x_axis=False)

    def on_resize(self, event: events.Resize) -> None:
        """Lines are as wide as the widget."""
        self._measure()
        self.show_cursor_line()

    def _measure(self) -> None:
        size = Size(self.scrollable_content_region.width, self.count)
        overflows = self.count > self.container_size.height
        if size.width == self.virtual_size.width and overflows == self.show_vertical_scrollbar:
            # Nothing moves but the scrollbar: lay out nothing, or every line that is added costs as
            # much as a new window.
            self.set_reactive(VirtualList.virtual_size, size)
            if overflows:
                self.vertical_scrollbar.window_virtual_size = self.count
        else:
            self.virtual_size = size

    def render_line(self, y: int) -> Strip:
        """Draw one line of the widget."""
        index = y + round(self.scroll_offset.y)
        width = self.scrollable_content_region.width
        base = self.visual_style.rich_style
        if width <= 0 or (index >= self.count and y > 0):
            return Strip.blank(width, base)
        text = self.line_text(index, width) if index < self.count else self.faint(self.empty)
        text.truncate(width, overflow="ellipsis", pad=True)
        marked = self.has_focus or self.marks_cursor_without_focus
        if marked and index == self.cursor < self.count:
            style = self.get_component_rich_style("lines--cursor")
            if self.has_focus:
                text = Text(text.plain)
            text.stylize(style)
        strip = Strip(list(text.render(self.app.console)))
        return strip.apply_style(base).adjust_cell_length(width, base)

    marks_cursor_without_focus = True

    def faint(self, text: str) -> Text:
        """A part of a line that stands back."""
        return Text().append(text, theme_style(self.app, "muted"))

    def on_click(self, event: events.Click) -> None:
        """A click puts the cursor there; one on the cursor's line chooses it."""
        index = event.y + round(self.scroll_offset.y)
        if index == self.cursor:
            self.post_message(self.Clicked(self, index))
        elif index < self.count:
            self.cursor = index

    def action_cursor_up(self) -> None:
        """One line up."""
        self.cursor -= 1

    def action_cursor_down(self) -> None:
        """One line down."""
        self.cursor += 1

    def action_page_up(self) -> None:
        """One page up."""
        self.cursor -= max(1, self.content_size.height - 1)

    def action_page_down(self) -> None:
        """One page down."""
        self.cursor += max(1, self.content_size.height - 1)

    def action_first(self) -> None:
        """To the first line."""
        self.cursor = 0

    def action_last(self) -> None:
        """To the last line."""
        self.cursor = self.count - 1
