"""A scroll container with the keys of lists."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import BindingType
from textual.containers import VerticalScroll

from sdtui.tui.bindings import bindings_in


class KeyScroll(VerticalScroll, can_focus=True, inherit_bindings=False):
    """A vertical scroll with the keys of the lists in place of Textual's, and without animation:
    over SSH every frame of it would be sent."""

    BINDINGS: ClassVar[list[BindingType]] = bindings_in("list")

    def action_cursor_up(self) -> None:
        self.scroll_up(animate=False)

    def action_cursor_down(self) -> None:
        self.scroll_down(animate=False)

    def action_page_up(self) -> None:
        self.scroll_page_up(animate=False)

    def action_page_down(self) -> None:
        self.scroll_page_down(animate=False)

    def action_first(self) -> None:
        self.scroll_home(animate=False)

    def action_last(self) -> None:
        self.scroll_end(animate=False)
