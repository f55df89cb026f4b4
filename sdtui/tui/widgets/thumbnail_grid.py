"""The gallery's pictures as thumbnails with captions, or as a list. Only what is visible is laid
out and drawn, so the number of pictures doesn't matter."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from itertools import pairwise
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual import events
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from sdtui.tui.gallery.entries import KnownEntries
from sdtui.tui.gallery.layout import CellShape, GridLayout, Row, cell_shape, list_shape, other_pitch
from sdtui.tui.gallery.order import FORMING, Order
from sdtui.tui.images.loader import picture_of
from sdtui.tui.images.thumbnails import Drawn, Frame, Thumbnails
from sdtui.tui.messages import message
from sdtui.tui.styles import theme_style
from sdtui.tui.textual_internals.widgets import set_scrollbar_length
from sdtui.tui.widgets.grid_texts import Forming, GridTexts
from sdtui.tui.widgets.lazy_refresh import RefreshWhenVisible


class ThumbnailGrid(ScrollView, RefreshWhenVisible, can_focus=True, inherit_bindings=False):
    """Shows pictures in an order, with a cursor. What is known of them, and their thumbnails, come
    from outside; `Looked` says what is visible."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"grid--cursor", "grid--bar"}
    DEFAULT_CSS = """
    ThumbnailGrid {
        width: 100%;
        height: 1fr;
        overflow-x: hidden;
        overflow-y: scroll;
        scrollbar-size-vertical: 1;
        background: transparent;
        & > .grid--cursor { background: $panel; }
        & > .grid--bar { color: $focus; }  /* all keys of pictures mean it, wherever the focus is */
        &:focus > .grid--cursor { background: $focus; color: $focus-text; }
        &:ansi > .grid--cursor {
            background: ansi_default;
            color: ansi_default;
            text-style: bold underline;
        }
        &:ansi:focus > .grid--cursor { text-style: reverse; }
    }
    """

    cursor: reactive[int] = reactive(0)
    """The place with the cursor."""
    pitch: reactive[float | None] = reactive[float | None](None)
    """The columns from a cell to the next that the user wants; None for the usual ones."""
    is_list: reactive[bool] = reactive(False)
    empty: reactive[str] = reactive("")
    """Shown if there is no picture."""

    class Moved(Message):
        """The cursor is on another picture, by the user."""

    class Looked(Message):
        """Other places are visible."""

    class Opened(Message):
        """The picture with the cursor was clicked twice."""

    @message
    class Marked(Message):
        """The user marks pictures with the mouse: from one place to another."""

        first: int
        last: int

    def __init__(
        self, known: KnownEntries, thumbnails: Thumbnails, *, id: str | None = None
    ) -> None:
        super().__init__(id=id)
        self._known = known
        self._thumbnails = thumbnails
        self.order = Order()
        self.marked: set[int] = set()
        """Ids of marked pictures."""
        self.forming: Forming | None = None
        self.highlighted = ""
        """The search whose words are highlighted."""
        self._layout_of: GridLayout | None = None

    @property
    def texts(self) -> GridTexts:
        """What writes captions and headings now."""
        now = datetime.now().astimezone()
        return GridTexts(self.app, self.order, self._known, now, self.highlighted, self.forming)

    def show(self, order: Order, cursor: int) -> None:
        """Show other pictures, or the same in another order, with the cursor on this place."""
        self.order, self._layout_of = order, None
        self._measure()
        self.set_reactive(ThumbnailGrid.cursor, max(0, min(cursor, len(order) - 1)))
        self.show_cursor()
        self.refresh()
        self.post_message(self.Looked())

    @property
    def shape(self) -> CellShape:
        """The size of cells."""
        return self._grid.shape

    @property
    def frame(self) -> Frame:
        """The space for each thumbnail."""
        shape = self.shape
        return Frame(shape.width, shape.picture_height, self.app.console.color_system)

    @property
    def _grid(self) -> GridLayout:
        if self._layout_of is None:
            width = max(1, self.scrollable_content_region.width)
            shape = list_shape(width) if self.is_list else cell_shape(width, self.pitch)
            self._layout_of = GridLayout(self.order, shape)
        return self._layout_of

    @property
    def selected(self) -> int | None:
        """The id of the picture with the cursor."""
        return self.order.ids[self.cursor] if len(self.order) else None

    def visible_places(self) -> range:
        """Return the places on the screen."""
        grid = self._grid
        return (
            grid.places(round(self.scroll_offset.y), self.size.height) if self.order else range(0)
        )

    @property
    def shows_own_heading(self) -> bool:
        """True if the heading of the group of the picture with the cursor is visible."""
        if self.is_list or not len(self.order):
            return False
        start = self.order.group_at(self.cursor).start
        return self._grid.lines(start).start >= round(self.scroll_offset.y)

    def validate_cursor(self, cursor: int) -> int:
        """Keep the cursor on a picture."""
        return max(0, min(cursor, len(self.order) - 1))

    def watch_cursor(self, before: int, after: int) -> None:
        self.show_cursor()
        for place in (before, after):
            self.refresh_place(place)
        self.post_message(self.Moved())

    def watch_pitch(self) -> None:
        self._lay_out_again()

    def watch_is_list(self) -> None:
        self._lay_out_again()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        if round(old_value) != round(new_value):
            self.post_message(self.Looked())

    def on_resize(self) -> None:
        self._lay_out_again()

    def _lay_out_again(self) -> None:
        self._layout_of = None
        self._measure()
        self.show_cursor()
        self.refresh()
        self.post_message(self.Looked())

    def _measure(self) -> None:
        size = Size(self.scrollable_content_region.width, self._grid.height)
        if size.width == self.virtual_size.width:  # only the scrollbar moves
            self.set_reactive(ThumbnailGrid.virtual_size, size)
            set_scrollbar_length(self.vertical_scrollbar, size.height)
            self.scroll_y = self.validate_scroll_y(self.scroll_y)
        else:
            self.virtual_size = size

    def show_cursor(self) -> None:
        """Scroll so that the row with the cursor is visible."""
        if len(self.order) and self.size:
            grid = self._grid
            lines = grid.lines(self.cursor)
            region = Region(0, lines.start, 1, len(lines))
            self.scroll_to_region(region, animate=False, force=True, immediate=True, x_axis=False)

    def refresh_place(self, place: int) -> None:
        """Draw one picture again."""
        if place < len(self.order):
            grid = self._grid
            shape = grid.shape
            left = max(0, shape.left(grid.column(place)) - 1)
            lines = grid.lines(place)
            top = lines.start - round(self.scroll_offset.y)
            region = Region(left, top, shape.width + 2, len(lines))
            self.refresh(region.intersection(self.size.region))

    def refresh_entry(self, entry: int) -> None:
        """Draw one picture again, by its id."""
        place = self.order.place_of(entry)
        if place is not None:
            self.refresh_place(place)

    def render_line(self, y: int) -> Strip:
        width = self.scrollable_content_region.width
        base = self.visual_style.rich_style
        found = self._grid.row_at(y + round(self.scroll_offset.y))
        if found is not None:
            segments = self._segments(*found, width)
        else:
            text = Text(self.empty if y == 0 and not len(self.order) else "")
            text.stylize(theme_style(self.app, "muted"))
            segments = list(text.render(self.app.console, end=""))
        return Strip(_over(base, segments)).adjust_cell_length(width, base)

    def _segments(self, row: Row, offset: int, width: int) -> list[Segment]:
        shape = self.shape
        if shape.is_list:
            return self._caption(self.texts, row.first, width)
        if offset < 0:
            return self._headings(row)
        texts = self.texts if offset == shape.height - 1 else None
        segments, frame = [], self.frame
        for place in range(row.first, row.after):
            segments.append(self._gap(row, place, is_picture=texts is None))
            if texts is None:
                segments += self._picture_line(place, offset, frame)
            else:
                segments += self._caption(texts, place, shape.width)
        segments.append(self._gap(row, row.after, is_picture=texts is None))
        return segments

    def _headings(self, row: Row) -> list[Segment]:
        """Return the line above a row: the headings of the groups that begin in it."""
        texts, shape = self.texts, self.shape
        line = Text(" ", no_wrap=True)
        starts = [place for place in range(row.first, row.after) if self.order.begins_group(place)]
        for start, end in pairwise([*starts, row.first + shape.columns]):
            line.pad_right(max(0, shape.left(start - row.first) - line.cell_len))
            space = (end - start) * (shape.width + 1) - 1
            line.append_text(texts.heading(self.order.group_at(start), space))
        return list(line.render(self.app.console, end=""))

    def _gap(self, row: Row, place: int, *, is_picture: bool) -> Segment:
        """Return the column before a place, with the bars beside the picture with the cursor."""
        sign = "▐" if place == self.cursor else "▌" if place - 1 == self.cursor else ""
        if not sign or not is_picture or self.cursor not in row:
            return Segment(" ")
        return Segment(sign, self.get_component_rich_style("grid--bar", partial=True))

    def _caption(self, texts: GridTexts, place: int, width: int) -> list[Segment]:
        entry, has_cursor = self.order.ids[place], place == self.cursor
        write = texts.list_line if self.is_list else texts.caption
        text = write(place, width, has_cursor=has_cursor, is_marked=entry in self.marked)
        if has_cursor:
            if self.has_focus:
                text = Text(text.plain)
            text.stylize(self.get_component_rich_style("grid--cursor", partial=True))
        return list(text.render(self.app.console, end=""))

    def _picture_line(self, place: int, offset: int, frame: Frame) -> list[Segment]:
        """Return one line of a thumbnail, which stands on its caption, in the middle."""
        shape, thumbnail = self.shape, self._thumbnail(place, frame)
        if thumbnail is None or not thumbnail.lines:
            is_middle = offset == shape.picture_height // 2
            sign = "" if not is_middle else "…" if thumbnail is None else _unreadable(shape.width)
            style = theme_style(self.app, "muted" if thumbnail is None else "error")
            return [Segment(sign.center(shape.width), style)]
        row = offset - shape.picture_height + len(thumbnail.lines)
        if row < 0:
            return [Segment(" " * shape.width)]
        left = (shape.width - thumbnail.columns) // 2
        right = shape.width - thumbnail.columns - left
        return [Segment(" " * left), *thumbnail.lines[row], Segment(" " * right)]

    def _thumbnail(self, place: int, frame: Frame) -> Drawn | None:
        entry_id = self.order.ids[place]
        if entry_id == FORMING:
            return self.forming.drawn_in(frame) if self.forming else None
        entry = self._known.get(entry_id)
        return None if entry is None else self._thumbnails.get(picture_of(entry), frame)

    def on_click(self, event: events.Click) -> None:
        place = self._grid.place_at(event.x, event.y + round(self.scroll_offset.y))
        if place is None:
            return
        if event.shift:
            self.post_message(self.Marked(self.cursor, place))
        elif event.ctrl:
            self.post_message(self.Marked(place, place))
        elif event.chain == 2:
            self.post_message(self.Opened())
        self.cursor = place

    def change_cells(self, more: int) -> None:
        """Put so many more cells into a row."""
        width = self.scrollable_content_region.width
        self.pitch = other_pitch(width, cell_shape(width, self.pitch), more)

    def move_rows(self, rows: int) -> None:
        """Move the cursor so many rows down (or up)."""
        if len(self.order):
            self.cursor = self._grid.row_away(self.cursor, rows)

    def move_pages(self, pages: int) -> None:
        """Move the cursor so many screens down (or up)."""
        self.move_rows(pages * max(1, self.size.height // self.shape.height))


def _unreadable(width: int) -> str:
    """Return what stands in the place of a picture that can't be read."""
    text = "✗ damaged"
    return text if len(text) <= width else "✗"


def _over(base: Style, segments: Iterable[Segment]) -> list[Segment]:
    """Return segments over the style of the background. Those of thumbnails have both colours, and
    there are many."""
    return [
        segment
        if (style := segment.style) is not None and style.color and style.bgcolor
        else Segment(segment.text, base + style)
        for segment in segments
    ]
