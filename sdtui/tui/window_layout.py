"""The arrangement of the main screen: stage, shelf and dock, and moving the focus between them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from textual.screen import Screen
from textual.widget import Widget

from sdtui.tui.key_table import KeyChoice
from sdtui.tui.panes.collection import Panes
from sdtui.tui.panes.pane import Pane
from sdtui.tui.tabs import TABS, Tab
from sdtui.tui.widgets.shelf_tabs import ShelfTabs

_MIN_COLUMNS, _MIN_LINES = 60, 16
_MIN_SHELF, _MIN_STAGE = 33, 16
"""Columns."""
_ASIDE_COLUMNS = 180
"""Columns from which Info stands beside the open tab."""
_TALL = 30
"""Lines from which the prompt has several rows."""
_MOST_PROMPT_ROWS = 12
TOO_SMALL = (
    f"This window is too small for sdtui: it takes {_MIN_COLUMNS} columns and {_MIN_LINES} lines. "
    "What runs goes on."
)
_STAGE, _PROMPT, _PITCH = "stage.width", "prompt.height", "gallery.pitch"
"""Names of the sizes that the user can change: thousandths of the window, rows, and tenths of
columns from a thumbnail to the next."""


class WindowLayout:
    """Gives the stage the space of a square picture, and the rest to the shelf."""

    def __init__(self, screen: Screen[None], panes: Panes, tabs: ShelfTabs) -> None:
        self._screen = screen
        self._panes = panes
        self._tabs = tabs
        self.sizes: dict[str, int] = {}
        """What the user changed."""

    @property
    def tab(self) -> Tab:
        """The open tab."""
        return self._tabs.tab

    def use_sizes(self, sizes: Mapping[str, int]) -> None:
        """Set saved sizes."""
        names = (_STAGE, _PROMPT, _PITCH)
        self.sizes = {name: size for name, size in sizes.items() if name in names}
        self._use_pitch()

    def set_pitch(self, pitch: int) -> None:
        """Keep the size of the gallery's thumbnails."""
        self.sizes[_PITCH] = pitch
        self._use_pitch()

    def _use_pitch(self) -> None:
        pitch = self.sizes.get(_PITCH)
        self._panes.gallery.grid.pitch = None if pitch is None else pitch / 10

    def arrange(self, width: int, height: int) -> None:
        """Lay out the window for this many columns and lines."""
        # At once, since each change of a class applies the styles of the whole window.
        self._screen.update_classes(
            {
                "-tiny": width < _MIN_COLUMNS or height < _MIN_LINES,
                "-aside": width >= _ASIDE_COLUMNS,
                **{f"-{tab}": tab == self.tab for tab in TABS},
            }
        )
        rows = self._prompt_rows(width, height)
        self._panes.dock.set_rows(rows)
        body = height - 2 - self._panes.dock.rows_for(rows)
        share = self.sizes.get(_STAGE)
        wanted = 2 * body if share is None else round(width * share / 1000)
        self._panes.stage.styles.width = max(_MIN_STAGE, min(wanted, width - 1 - _MIN_SHELF))

    def _prompt_rows(self, width: int, height: int) -> int:
        if chosen := self.sizes.get(_PROMPT):
            return min(chosen, max(1, height - 14))
        if height < _TALL:
            return 1
        return 2 if width >= _ASIDE_COLUMNS else 3

    @property
    def focus_targets(self) -> list[Widget]:
        """The widgets in the order of the tab key: prompt, shelf, stage, negative prompt. A pane
        takes the focus as a whole; its keys move inside it."""
        panes, focused = self._panes, self._screen.focused
        inside = () if focused is None else focused.ancestors_with_self
        shelf = [*panes.shelf.values(), panes.stage]
        targets = [
            focused if focused is not None and pane in inside else pane.focus_target()
            for pane in shelf
            if pane.display
        ]
        return [panes.dock.prompt, *targets, panes.dock.negative]

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

    def focus_prompt(self) -> None:
        """Focus the prompt."""
        self.focus(self._panes.dock.prompt)

    def show_pane(self, pane: Pane) -> None:
        """Focus a pane, on whichever tab it is."""
        tab = next((tab for tab, each in self._panes.shelf.items() if each is pane), None)
        if tab is None:
            self.focus_pane(pane)
        else:
            self.show_tab(tab)

    def show_tab(self, tab: Tab) -> None:
        """Open a tab of the shelf and focus it. Where Info stands beside the open tab, that stays
        open."""
        pane = self._panes.shelf[tab]
        if not (tab == "info" and self._screen.has_class("-aside")):
            self._tabs.tab = tab
            self.arrange(*self._screen.size)
        self.focus_pane(pane)

    def places(self) -> list[tuple[KeyChoice, Callable[[], object]]]:
        """Return where one can go, and how."""
        panes = self._panes
        tabs: list[tuple[KeyChoice, Callable[[], object]]] = [
            (KeyChoice(str(number), name), partial(self.show_tab, tab))
            for number, (tab, name) in enumerate(TABS.items(), 1)
        ]
        return [
            *tabs,
            (KeyChoice("o", panes.dock.title), self.focus_prompt),
            (KeyChoice("minus", "Negative prompt"), partial(self.focus, panes.dock.negative)),
            (KeyChoice("g", panes.stage.title), partial(self.focus_pane, panes.stage)),
        ]

    def widen_stage(self, columns: int) -> None:
        """Make the stage wider, or narrower for a negative number of columns."""
        self.set_stage_width(self._panes.stage.size.width + columns)

    def set_stage_width(self, columns: int) -> None:
        """Give the stage this many columns, within the limits."""
        width, height = self._screen.size
        columns = max(_MIN_STAGE, min(columns, width - 1 - _MIN_SHELF))
        self.sizes[_STAGE] = round(columns * 1000 / max(1, width))
        self.arrange(width, height)

    def heighten_prompt(self, rows: int) -> None:
        """Give the prompt more rows, or fewer for a negative number."""
        width, height = self._screen.size
        now = self._prompt_rows(width, height)
        self.sizes[_PROMPT] = max(1, min(now + rows, _MOST_PROMPT_ROWS))
        self.arrange(width, height)

    def reset_sizes(self) -> None:
        """Return to the usual sizes."""
        self.sizes.clear()
        self._use_pitch()
        self.arrange(*self._screen.size)
