"""What all panes of the window have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.containers import Vertical
from textual.content import Content
from textual.widget import AwaitMount, Widget

from sdtui.tui.widgets.lazy_refresh import RefreshWhenVisible


class Pane(Vertical, RefreshWhenVisible):
    """A framed part of the window with a title, an explanation for F1, and a part that takes the
    focus when someone goes to it."""

    TITLE: ClassVar[str] = ""
    ABOUT: ClassVar[str] = ""
    DEFAULT_CSS = """
    Pane {
        border: round $border-blurred;
        border-title-color: $text-muted;
        border-subtitle-color: $text-muted;
        &:focus-within {
            border: round $accent;
            border-title-color: $accent;
            border-title-style: bold;
        }
        &:ansi:focus-within { border: heavy $accent; }
    }
    """

    _in_title = ""
    _below = ""

    @property
    def about(self) -> str:
        """What F1 says."""
        return self.ABOUT

    @property
    def title(self) -> str:
        """What the pane is called."""
        return self.TITLE

    def on_mount(self) -> None:
        """Show the title."""
        self.border_title = self.title

    def contents(self) -> Sequence[Widget]:
        """What stands in the pane as soon as the window was seen. Nothing is in it before that, so
        the window needn't wait for its styles and its place."""
        return ()

    def open(self) -> AwaitMount:
        """Have the contents from now on."""
        return self.mount(*self.contents())

    def focus_target(self) -> Widget:
        """The part that takes the focus."""
        return next((each for each in self.query("*").results(Widget) if each.focusable), self)

    def count_in_title(self, text: str) -> None:
        """Show a live number at the right of the frame's upper edge."""
        if text != self._in_title:
            self._in_title = text
            self.border_title = Content(f"{self.TITLE} {text}".rstrip())

    def say_below(self, text: str) -> None:
        """Show something in the frame's lower edge."""
        if text != self._below:
            self._below = text
            self.border_subtitle = Content(text)
