"""Scrolling with the keys of lists."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.widget import Widget

from sdtui.tui.bindings import bindings_in


class ListKeys(Widget):
    """The keys of the lists, and scrolling by them without animation: over SSH every frame of it
    would be sent.

    To be named after a class's scrolling base: Textual takes styles from the first."""

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


class KeyScroll(VerticalScroll, ListKeys, can_focus=True, inherit_bindings=False):
    """A vertical scroll with the keys of the lists in place of Textual's."""

    BINDINGS: ClassVar[list[BindingType]] = bindings_in("list")
