"""The log: what happened, attempts, warnings, errors and messages, newest at the bottom."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import ClassVar

from rich.text import Text
from textual.binding import BindingType
from textual.content import Content
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Static

from sdtui.core.enums import EventLevel
from sdtui.core.text import one_line, visible
from sdtui.tui.bindings import bindings_in
from sdtui.tui.job_progress import LogLine
from sdtui.tui.labelled_line import LabelledLine
from sdtui.tui.panes.pane import Pane
from sdtui.tui.styles import LEVEL_SIGNS, theme_style
from sdtui.tui.widgets.line_parts import shortened_sentence
from sdtui.tui.widgets.virtual_list import VirtualList

_MAX_LINES = 2000
_FILTERS = (
    ("", EventLevel.INFO),
    ("Warnings and errors", EventLevel.WARNING),
    ("Errors", EventLevel.ERROR),
    ("Everything, also each step", EventLevel.DETAIL),
)
"""What is shown, and its least level. The first is the usual one."""


class LogLines(VirtualList[LogLine]):
    """The lines that pass the filter."""

    marks_cursor_without_focus = False

    def __init__(self) -> None:
        super().__init__()
        self.empty = "What happens is written here: pictures, warnings, errors and messages."

    def item_text(self, item: LogLine, width: int) -> Text:
        sign, colour = LEVEL_SIGNS[item.level]
        style = theme_style(self.app, colour)
        line = self.faint(f"{item.clock}  ").append(sign, style)
        text, columns = one_line(item.text), width - line.cell_len
        return line.append(shortened_sentence(text, columns), style)

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
        "What happened: pictures, attempts after running out of memory, warnings, errors and the "
        "messages of the last line. It follows the end while the cursor is there. Enter shows a "
        "line whole; f shows only warnings, or every step."
    )
    BINDINGS: ClassVar[list[BindingType]] = bindings_in("log")

    class Save(Message):
        """The user wants to save the log."""

    def __init__(self, id: str, copy: Callable[[str, str], None]) -> None:
        """`copy` copies a text; its second argument describes the text."""
        super().__init__(id=id)
        self.heading = Static(classes="pane--heading")
        self.list = LogLines()
        self.lines: deque[LogLine] = deque(maxlen=_MAX_LINES)
        self._filter = 0
        self._copy = copy

    def contents(self) -> Sequence[Widget]:
        self.heading.display = False
        return self.heading, self.list

    def add(self, lines: list[LogLine]) -> None:
        if lines:
            self.lines.extend(lines)
            self._show()

    def add_message(self, level: EventLevel, text: str) -> None:
        """Add a message of the app, now."""
        self.add([LogLine(time.time(), level, text)])

    @property
    def text(self) -> str:
        """The lines that pass the filter, as text."""
        return "".join(f"{line.clock}  {line.text}\n" for line in self.list.items)

    def _show(self) -> None:
        least = _FILTERS[self._filter][1]
        self.list.show_items([line for line in self.lines if line.level >= least])

    def action_filter(self) -> None:
        self._filter = (self._filter + 1) % len(_FILTERS)
        name = _FILTERS[self._filter][0]
        self.heading.update(Content(name))
        self.heading.display = bool(name)
        self._show()

    def action_copy(self) -> None:
        if self._has_lines():
            self._copy(self.text, "The log")

    def action_save(self) -> None:
        if self._has_lines():
            self.post_message(self.Save())

    def _has_lines(self) -> bool:
        if self.list.items:
            return True
        self.notify("The log is empty.", timeout=3)
        return False

    def action_details(self) -> None:
        from sdtui.tui.screens.dialogs import TextScreen

        line = self.list.selected
        if line is not None:
            whole = [LabelledLine("", visible(line.text))]
            self.app.push_screen(TextScreen(line.clock, whole, self._copy))
