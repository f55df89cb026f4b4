"""The arrangement of the main screen's panes, and moving the focus between them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from textual.geometry import Offset
from textual.screen import Screen
from textual.widget import Widget

from sdtui.tui.pane_layout import Axis, PaneSizes
from sdtui.tui.panes.collection import Panes
from sdtui.tui.panes.pane import Pane
from sdtui.tui.textual_internals import apply_styles_now
from sdtui.tui.widgets.top_bar import TABS, Tab, TopBar

_WIDE, _HIGH, _TALL = 118, 34, 52
"""Columns and lines from which all panes are shown at once, and lines from which they grow."""
_MIN_COLUMNS, _MIN_LINES = 60, 16
"""Minimum window for tabs."""
_DIRECTIONS = {
    ("height", 1): "taller",
    ("height", -1): "shorter",
    ("width", 1): "wider",
    ("width", -1): "narrower",
}
TOO_SMALL = (
    f"This window is too small for sdtui: it takes {_MIN_COLUMNS} columns and {_MIN_LINES} lines. "
    "What runs goes on."
)


class WindowLayout:
    """Shows all panes side by side in a large window, or on tabs."""

    def __init__(self, screen: Screen[None], panes: Panes, top_bar: TopBar) -> None:
        self._screen = screen
        self._panes = panes
        self._top_bar = top_bar
        self.tab: Tab = "create"
        self.sizes = PaneSizes(screen)

    def arrange(self, width: int, height: int) -> None:
        """Lay out the panes for a window of this many columns and lines."""
        self.set_classes(width, height)
        self.sizes.apply(self.view)

    def set_classes(self, width: int, height: int) -> None:
        """Set the CSS classes that the stylesheet lays out by."""
        tabs = width < _WIDE or height < _HIGH
        screen = self._screen
        screen.set_class(tabs, "-tabs")
        screen.set_class(height >= _TALL, "-tall")
        screen.set_class(width < _MIN_COLUMNS or height < _MIN_LINES, "-tiny")
        for tab in TABS:
            screen.set_class(tab == self.tab, f"-{tab}")
        self._top_bar.tab = self.tab if tabs else None

    @property
    def view(self) -> str:
        """The visible tab, or "wide" if all panes are visible."""
        return self._top_bar.tab or "wide"

    @property
    def visible_panes(self) -> list[Pane]:
        """The panes that are visible and can be focused."""
        return [
            pane
            for pane in self._screen.query(Pane)
            if pane.region and pane.focus_target().focusable and pane.focus_target().region
        ]

    @property
    def focused_pane(self) -> Pane | None:
        """The pane with the focus."""
        focused = self._screen.focused
        if focused is None:
            return None
        return next((each for each in focused.ancestors_with_self if isinstance(each, Pane)), None)

    def focus(self, widget: Widget) -> None:
        """Focus a widget at once; Textual's `Widget.focus` does it after other messages."""
        self._screen.set_focus(widget)

    def focus_pane(self, pane: Pane) -> None:
        """Focus the part of a pane that takes keys."""
        self.focus(pane.focus_target())

    def show_pane(self, pane: Pane) -> None:
        """Focus a pane, on whichever tab it is."""
        if not pane.region:
            tabs: dict[Pane, Tab] = {
                self._panes.queue: "queue",
                self._panes.log: "queue",
                self._panes.history: "history",
            }
            self.show_tab(tabs.get(pane, "create"))
        self.focus_pane(pane)

    def show_tab(self, tab: Tab) -> None:
        """Show a tab; if all panes are visible, focus the tab's first pane."""
        self.tab = tab
        self.arrange(*self._screen.size)
        first: dict[Tab, Pane] = {
            "create": self._panes.prompt,
            "queue": self._panes.queue,
            "history": self._panes.history,
        }
        if not first[tab].focus_target().focusable:
            # Apply the styles at once: the next key may have been pressed already, and a hidden
            # widget can't be focused.
            apply_styles_now(self._screen)
        self.focus_pane(first[tab])

    def jump_targets(self) -> list[tuple[Offset, Callable[[], None]]]:
        """Every visible pane and hidden tab: where its letter is drawn, and how to go there."""
        targets: list[tuple[Offset, Callable[[], None]]] = [
            (pane.region.offset + Offset(2, 0), partial(self.focus_pane, pane))
            for pane in self.visible_panes
        ]
        targets += [
            (self._top_bar.offset_of(tab), partial(self.show_tab, tab))
            for tab in (TABS if self._top_bar.tab else ())
            if tab != self.tab
        ]
        return targets

    def resize_focused(self, axis: Axis, steps: int) -> None:
        """Make the focused pane larger or, with negative `steps`, smaller."""
        pane = self.focused_pane
        if pane is not None and not self.sizes.resize(pane, self.view, axis, steps):
            direction = _DIRECTIONS[axis, steps]
            self._screen.notify(f"{pane.title} can't be made {direction} here.", timeout=3)

    def reset_sizes(self) -> None:
        """Reset the sizes of all panes in this view."""
        self.sizes.forget(self.view)
