"""The parts of the editor of captions: the list of pictures, and the text of one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from rich.cells import cell_len, set_cell_size
from rich.text import Text
from textual import events
from textual.binding import BindingType
from textual.message import Message

from sdtui.core.text import escape_same_width, visible
from sdtui.requests.training.caption_set import Caption
from sdtui.tui.bindings import bindings_in
from sdtui.tui.messages import message
from sdtui.tui.styles import ThemeColour, theme_style
from sdtui.tui.textual_internals.widgets import KeyTextArea
from sdtui.tui.widgets.virtual_list import VirtualList

_WITH_CAPTIONS = 38
"""Columns of a list that has room for the captions' beginnings."""
_NAME_COLUMNS = 22
_MARKS: dict[str, tuple[str, ThemeColour]] = {
    "missing": ("○", "warning"),
    "wrong": ("!", "error"),
    "there": ("●", "muted"),
}


class CaptionList(VirtualList[Path]):
    """One picture a line, with a mark for those without a caption."""

    def __init__(self, folder: Path) -> None:
        """`folder` is that above all pictures."""
        super().__init__(id="caption-list")
        self.captions: Mapping[Path, Caption] = {}
        """Those that are known."""
        self._folder = folder

    def item_text(self, item: Path, width: int) -> Text:
        caption = self.captions.get(item)
        line = Text(no_wrap=True)
        if caption is None:
            line.append("  ")
        else:
            is_missing = caption.text is None
            state = "wrong" if caption.problem else "missing" if is_missing else "there"
            mark, colour = _MARKS[state]
            line.append(f"{mark} ", theme_style(self.app, colour))
        name = visible(item.relative_to(self._folder).as_posix(), keep="")
        if width < _WITH_CAPTIONS:
            return line.append(_end_of(name, width - 2))
        line.append(set_cell_size(_end_of(name, _NAME_COLUMNS), _NAME_COLUMNS))
        if caption is not None:
            text = visible(caption.line, keep="")
            line.append(f"  {text}", theme_style(self.app, "muted"))
        return line


def _end_of(name: str, columns: int) -> str:
    """Return the end of a name in so many columns: its beginning may be that of all names."""
    if cell_len(name) <= columns:
        return name
    while cell_len(name) >= columns:
        name = name[1:]
    return f"…{name}"


class CaptionText(KeyTextArea):
    """Edits the caption of a picture."""

    DEFAULT_CSS = """
    CaptionText {
        padding: 0 1;
        border: none;
        background: transparent;
        scrollbar-size-vertical: 1;
        &:focus { border: none; }
        .text-area--placeholder { color: $muted; }
        &:ansi .text-area--placeholder { color: ansi_default; text-style: dim; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = bindings_in("caption_text")

    @message
    class Stepped(Message):
        """The user goes on to another picture."""

        by: int
        """1 is the next one, -1 the one before."""

    class Left(Message):
        """The user goes back to the list."""

    def __init__(self) -> None:
        super().__init__(
            tab_behavior="focus",
            placeholder="What the picture shows; tags are separated by commas",
            compact=True,
            highlight_cursor_line=False,
        )
        self.cursor_blink = False

    def get_line(self, line_index: int) -> Text:
        """Return a line as displayed: control characters are replaced."""
        plain = self.document.get_line(line_index)
        return Text(escape_same_width(plain), end="", no_wrap=True)

    def refuses(self, event: events.Key) -> bool:
        """Leave enter to its action."""
        return event.key == "enter"

    def action_next(self) -> None:
        self.post_message(self.Stepped(1))

    def action_previous(self) -> None:
        self.post_message(self.Stepped(-1))

    def action_new_line(self) -> None:
        self.replace("\n", *self.selection)

    def action_leave(self) -> None:
        self.post_message(self.Left())
