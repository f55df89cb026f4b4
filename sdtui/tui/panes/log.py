"""The log: steps, attempts, warnings and errors, newest at the bottom."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual.binding import BindingType
from textual.message import Message
from textual.widget import Widget

from sdtui.core.enums import EventLevel
from sdtui.tui.bindings import bindings_in
from sdtui.tui.job_progress import LogLine
from sdtui.tui.panes.pane import Pane
from sdtui.tui.styles import ThemeColour, theme_style
from sdtui.tui.widgets.virtual_list import VirtualList

_MAX_LINES = 2000
_FILTERS = (
    ("", EventLevel.DETAIL),
    ("· without steps", EventLevel.INFO),
    ("· warnings", EventLevel.WARNING),
    ("· errors", EventLevel.ERROR),
)
_COLOURS: dict[EventLevel, ThemeColour] = {
    EventLevel.DETAIL: "muted",
    EventLevel.INFO: "plain",
    EventLevel.SUCCESS: "success",
    EventLevel.WARNING: "warning",
    EventLevel.ERROR: "error",
}


class LogLines(VirtualList[LogLine]):
    """The lines that pass the filter."""

    marks_cursor_without_focus = False

    def item_text(self, item: LogLine, width: int) -> Text:
        style = theme_style(self.app, _COLOURS[item.level])
        return self.faint(f"{item.clock}  ").append(item.text, style)

    def show_items(self, items: Sequence[LogLine]) -> None:
        """Show these lines. The cursor stays at the end if it was there."""
        if items == self.items:
            return
        follow = self.cursor >= self.count - 1
        super().show_items(items)
        if follow:
            self.cursor = self.count - 1


class LogPane(Pane):
    """A bounded log that can be filtered, copied and saved."""

    TITLE = "Log"
    ABOUT = (
        "What happened: steps, attempts after running out of memory, warnings and errors. It "
        "follows the end while the cursor is there. Enter shows a long line whole."
    )
    BINDINGS: ClassVar[list[BindingType]] = bindings_in("log")

    class Copy(Message):
        """The user wants to copy the log."""

    class Save(Message):
        """The user wants to save the log."""

    def __init__(self, id: str) -> None:
        super().__init__(id=id)
        self.list = LogLines()
        self.lines: deque[LogLine] = deque(maxlen=_MAX_LINES)
        self._filter = 0

    def contents(self) -> Sequence[Widget]:
        return (self.list,)

    def add(self, lines: list[LogLine]) -> None:
        if lines:
            self.lines.extend(lines)
            self._show()

    @property
    def text(self) -> str:
        """The lines that pass the filter, as text."""
        return "".join(f"{line.clock}  {line.text}\n" for line in self.list.items)

    def _show(self) -> None:
        name, least = _FILTERS[self._filter]
        self.list.show_items([line for line in self.lines if line.level >= least])
        self.set_count(name)

    def action_filter(self) -> None:
        self._filter = (self._filter + 1) % len(_FILTERS)
        self._show()

    def action_copy(self) -> None:
        self._post_if_any(self.Copy())

    def action_save(self) -> None:
        self._post_if_any(self.Save())

    def _post_if_any(self, message: Message) -> None:
        if self.list.items:
            self.post_message(message)
        else:
            self.notify("The log shows nothing yet.", timeout=3)

    def action_details(self) -> None:
        line = self.list.selected
        if line is not None:
            title = "Error" if line.level is EventLevel.ERROR else line.clock
            self.notify(line.text, title=title, timeout=15)
