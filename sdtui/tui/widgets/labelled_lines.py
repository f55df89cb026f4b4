"""Labelled texts to read, wrapped to the width of the widget."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import ClassVar

from rich.style import Style
from rich.text import Text
from textual.binding import BindingType
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from sdtui.tui.bindings import bindings_in
from sdtui.tui.labelled_line import LabelledLine
from sdtui.tui.styles import theme_style
from sdtui.tui.widgets.key_scroll import ListKeys
from sdtui.tui.widgets.lazy_refresh import RefreshWhenVisible

_GAP = 2
"""Columns between a label and its text."""
Find = Callable[[str], Iterable[tuple[int, int]]]
"""Returns where something stands in a text: first character, and the one after the last."""
_NARROWEST = 12
"""Columns; a text that would get fewer stands below its label."""


def nothing_found(_: str) -> Iterable[tuple[int, int]]:
    """Find nothing."""
    return ()


class LabelledLines(
    ScrollView, ListKeys, RefreshWhenVisible, can_focus=True, inherit_bindings=False
):
    """Shows lines with their labels right-aligned in a column. A line without label takes the whole
    width. Only the visible part is drawn, and nothing is mounted when other lines are shown."""

    BINDINGS: ClassVar[list[BindingType]] = bindings_in("list")
    DEFAULT_CSS = """
    LabelledLines {
        width: 100%;
        height: 1fr;
        padding: 0 1;
        overflow-x: hidden;
        scrollbar-size: 0 1;
        scrollbar-gutter: stable;
        background: transparent;
    }
    """

    def __init__(self, *, empty: str = "", id: str | None = None) -> None:
        """`empty` is shown while there are no lines."""
        super().__init__(id=id)
        self.lines: Sequence[LabelledLine] = ()
        self._empty = empty
        self._find: Find = nothing_found
        self._wrapped: tuple[int, list[Text]] = (0, [])
        """The width that the lines are wrapped for, and the wrapped lines."""

    @property
    def text(self) -> str:
        """The lines as plain text."""
        return "".join(f"{line.label}: {line.text}\n".removeprefix(": ") for line in self.lines)

    def show_lines(self, lines: Iterable[LabelledLine], find: Find = nothing_found) -> None:
        """Show other lines from their beginning. `find` returns what is highlighted in the texts
        without label."""
        self.lines, self._find = tuple(lines), find
        self._wrap()
        self.scroll_home(animate=False)
        self.refresh()

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """Return the height that all lines need, for a widget whose height is automatic."""
        return len(self._wrapped_for(width - self.scrollbar_size_vertical))

    def on_resize(self) -> None:
        self._wrap()

    def _wrap(self) -> None:
        width = self.scrollable_content_region.width
        self._wrapped = (width, self._wrapped_for(width))
        self.virtual_size = Size(width, len(self._wrapped[1]))

    def _wrapped_for(self, width: int) -> list[Text]:
        lines = self.lines or (LabelledLine("", self._empty),)
        return [each for line in lines for each in self._lines_of(line, width)]

    def _lines_of(self, line: LabelledLine, width: int) -> list[Text]:
        muted = theme_style(self.app, "muted")
        text = Text(line.text, "" if self.lines else muted)
        column = max((len(each.label) for each in self.lines), default=0) + _GAP
        is_narrow = width - column < _NARROWEST
        found = Style(bold=True) + theme_style(self.app, "accent")
        for start, end in () if line.label else self._find(line.text):
            text.stylize(found, start, end)
        indent = 0 if is_narrow or not line.label else column
        wrapped = [*text.wrap(self.app.console, max(1, width - indent), overflow="fold")]
        if is_narrow and line.label:
            return [Text(line.label, muted), *wrapped]
        label = line.label.rjust(indent - _GAP) + " " * _GAP if indent else ""
        starts = [label, *[" " * indent] * (len(wrapped) - 1)]
        return [
            Text(start, muted).append_text(part)
            for start, part in zip(starts, wrapped, strict=True)
        ]

    def render_line(self, y: int) -> Strip:
        width, lines = self._wrapped
        base = self.visual_style.rich_style
        index = y + round(self.scroll_offset.y)
        if width <= 0 or index >= len(lines):
            return Strip.blank(max(0, self.scrollable_content_region.width), base)
        strip = Strip(list(lines[index].render(self.app.console)))
        return strip.apply_style(base).adjust_cell_length(width, base)
