"""The base of all panes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widget import AwaitMount, Widget

from sdtui.tui.widgets.lazy_refresh import RefreshWhenVisible


class Pane(Vertical, RefreshWhenVisible):
    """A part of the window with a title, an explanation for help, and a widget that is focused when
    someone goes to the pane."""

    TITLE: ClassVar[str] = ""
    ABOUT: ClassVar[str] = ""
    DEFAULT_CSS = ".pane--heading { width: 100%; height: 1; padding: 0 1; color: $text-muted; }"

    class CountChanged(Message):
        """The number behind the title changed."""

    count = ""
    """The number behind the title, as text."""
    _below = ""

    @property
    def about(self) -> str:
        """The explanation that F1 shows."""
        return self.ABOUT

    @property
    def title(self) -> str:
        return self.TITLE

    def on_mount(self) -> None:
        self.border_title = self.title

    def contents(self) -> Sequence[Widget]:
        """Return the widgets that are mounted once the window was seen. Before that the pane is
        empty, so that the window needn't wait for their styles and layout."""
        return ()

    def open(self) -> AwaitMount:
        """Mount the contents."""
        return self.mount(*self.contents())

    def focus_target(self) -> Widget:
        """Return the widget that is focused when someone goes to the pane."""
        return next((each for each in self.query("*").results(Widget) if each.focusable), self)

    def set_count(self, text: str) -> None:
        """Show a live number behind the title."""
        if text != self.count:
            self.count = text
            self.border_title = Content(f"{self.TITLE} {text}".rstrip())
            self.post_message(self.CountChanged())

    def set_footer(self, text: str) -> None:
        """Show a text in the frame's lower edge."""
        if text != self._below:
            self._below = text
            self.border_subtitle = Content(text)
