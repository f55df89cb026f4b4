"""The window's panes and how one moves between them."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.geometry import Offset
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Static

from sdtui.tui.bindings import bindings_in
from sdtui.tui.pane_layout import Axis, PaneSizes
from sdtui.tui.panes.history import HistoryPane
from sdtui.tui.panes.log import LogPane
from sdtui.tui.panes.memory import MemoryPane
from sdtui.tui.panes.metadata import MetadataPane
from sdtui.tui.panes.pane import Pane
from sdtui.tui.panes.parameters import ParametersPane
from sdtui.tui.panes.preview import PreviewPane
from sdtui.tui.panes.progress import ProgressPane
from sdtui.tui.panes.prompt import PromptPane
from sdtui.tui.panes.queue import QueuePane
from sdtui.tui.widgets.key_bar import KeyBar
from sdtui.tui.widgets.top_bar import TABS, Tab, TopBar

_WIDE, _HIGH, _TALL = 118, 34, 52
"""Columns and lines from which all panes are seen at once, and lines from which they grow."""
_WORDS = {
    ("height", 1): "taller",
    ("height", -1): "shorter",
    ("width", 1): "wider",
    ("width", -1): "narrower",
}
_LEAST_WIDE, _LEAST_HIGH = 60, 16
"""What it takes for tabs."""
_TOO_SMALL = (
    f"This window is too small for sdtui: it takes {_LEAST_WIDE} columns and {_LEAST_HIGH} lines. "
    "What runs goes on."
)


class WindowScreen(Screen[None]):
    """Puts the panes side by side where there is room, or on tabs."""

    AUTO_FOCUS = "#prompt TextArea"
    BINDINGS: ClassVar[list[BindingType]] = bindings_in("window")

    def __init__(self, *, drawn_by: type[Widget] | None, over_ssh: bool) -> None:
        super().__init__()
        self.tab: Tab = "create"
        self.prompt = PromptPane(
            "prompt",
            "Prompt",
            "What the picture should show. The number is how many of the model's tokens it takes; "
            "what is struck out will not be seen. Up on the first line brings back what you wrote "
            "before.",
            "What do you want to see?",
            id="prompt",
        )
        self.negative = PromptPane(
            "negative_prompt",
            "Negative prompt",
            "What the picture should not show.",
            "What should not be in it",
            id="negative",
        )
        self.parameters = ParametersPane(id="parameters")
        self.queue_pane = QueuePane(id="queue")
        self.preview = PreviewPane("preview", drawn_by=drawn_by, over_ssh=over_ssh)
        self.progress_pane = ProgressPane(id="progress")
        self.memory = MemoryPane(id="memory")
        self.log_pane = LogPane(id="log")
        self.history_pane = HistoryPane(id="history")
        self.metadata_pane = MetadataPane(id="selected")
        self.top_bar = TopBar()
        self.sizes = PaneSizes(self)

    def compose(self) -> ComposeResult:
        """Three columns between two lines."""
        self._set_classes(*self.app.size)  # now there is nothing yet that would be styled again
        yield self.top_bar
        with Horizontal(id="columns"):
            with Vertical(id="left"):
                yield self.prompt
                yield self.negative
                yield self.parameters
                yield self.queue_pane
            with Vertical(id="middle"):
                yield self.preview
                yield self.progress_pane
                yield self.memory
                yield self.log_pane
            with Vertical(id="right"):
                yield self.history_pane
                yield self.metadata_pane
        yield Static(_TOO_SMALL, id="too-small")
        yield KeyBar()

    def on_screen_resume(self, event: events.ScreenResume) -> None:
        """The first time every pane has just got its styles; once more would take a while."""
        if self.stack_updates == 0:
            event.refresh_styles = False

    def on_resize(self, event: events.Resize) -> None:
        """All panes, or tabs."""
        self._arrange(event.size.width, event.size.height)

    def _arrange(self, width: int, height: int) -> None:
        self._set_classes(width, height)
        self.sizes.apply(self._view)

    def _set_classes(self, width: int, height: int) -> None:
        tabs = width < _WIDE or height < _HIGH
        self.set_class(tabs, "-tabs")
        self.set_class(height >= _TALL, "-tall")
        self.set_class(width < _LEAST_WIDE or height < _LEAST_HIGH, "-tiny")
        for tab in TABS:
            self.set_class(tab == self.tab, f"-{tab}")
        self.top_bar.tab = self.tab if tabs else None

    @property
    def _view(self) -> str:
        """What is seen: all panes, or one of the tabs."""
        return self.top_bar.tab or "wide"

    @property
    def keys_shown(self) -> dict[str, str]:
        """The first key of every action that works now, by the action's id, as people know it."""
        return {
            active.binding.id: self.app.get_key_display(active.binding)
            for active in reversed(self.active_bindings.values())
            if active.binding.id
        }

    @property
    def panes(self) -> list[Pane]:
        """The panes that are seen and take the focus."""
        return [
            pane
            for pane in self.query(Pane)
            if pane.region and pane.focus_target().focusable and pane.focus_target().region
        ]

    @property
    def focused_pane(self) -> Pane | None:
        """The pane with the focus."""
        focused = self.focused
        if focused is None:
            return None
        return next((each for each in focused.ancestors_with_self if isinstance(each, Pane)), None)

    def pane_of(self, scope: str) -> Pane | None:
        """The pane in which the actions of a scope work."""
        panes: dict[str, Pane] = {
            "form": self.parameters,
            "preview": self.preview,
            "queue": self.queue_pane,
            "log": self.log_pane,
            "history": self.history_pane,
        }
        return panes.get(scope)

    def show_pane(self, pane: Pane) -> None:
        """Go to a pane, on whichever tab it is."""
        if not pane.region:
            tabs: dict[Pane, Tab] = {
                self.queue_pane: "queue",
                self.log_pane: "queue",
                self.history_pane: "history",
            }
            self.go_to_tab(tabs.get(pane, "create"))
        self.go_to(pane)

    def go_to(self, pane: Pane) -> None:
        """Give a pane the focus."""
        self.set_focus(pane.focus_target())

    def go_to_tab(self, tab: Tab) -> None:
        """To the tab, or where all panes are seen, to its first pane."""
        self.tab = tab
        self._arrange(self.size.width, self.size.height)
        first: dict[Tab, Pane] = {
            "create": self.prompt,
            "queue": self.queue_pane,
            "history": self.history_pane,
        }
        if not first[tab].focus_target().focusable:
            # At once: the next key may have been pressed already, and what is hidden can't have it.
            self.app.stylesheet.update(self)
        self.go_to(first[tab])

    @on(TopBar.TabChosen)
    def _tab_chosen(self, event: TopBar.TabChosen) -> None:
        self.go_to_tab(event.tab)

    def action_create_tab(self) -> None:
        """To prompt, parameters and preview."""
        self.go_to_tab("create")

    def action_queue_tab(self) -> None:
        """To queue, memory and log."""
        self.go_to_tab("queue")

    def action_history_tab(self) -> None:
        """To the history."""
        self.go_to_tab("history")

    def action_jump(self) -> None:
        """A letter on every pane, and on every tab that isn't seen."""
        from sdtui.tui.screens.jump import JumpScreen

        places = [
            (pane.region.offset + Offset(2, 0), partial(self.go_to, pane)) for pane in self.panes
        ]
        places += [
            (self.top_bar.offset_of(tab), partial(self.go_to_tab, tab))
            for tab in (TABS if self.top_bar.tab else ())
            if tab != self.tab
        ]

        def go(number: int | None) -> None:
            if number is not None:
                places[number][1]()

        self.app.push_screen(JumpScreen([offset for offset, _ in places]), go)

    def action_taller(self) -> None:
        """A line more for the focused pane."""
        self._resize("height", 1)

    def action_shorter(self) -> None:
        """A line less for it."""
        self._resize("height", -1)

    def action_wider(self) -> None:
        """More columns for it."""
        self._resize("width", 1)

    def action_narrower(self) -> None:
        """Fewer columns for it."""
        self._resize("width", -1)

    def action_usual_sizes(self) -> None:
        """All panes as they are at first."""
        self.sizes.forget(self._view)

    def _resize(self, axis: Axis, steps: int) -> None:
        pane = self.focused_pane
        if pane is not None and not self.sizes.resize(pane, self._view, axis, steps):
            self.notify(f"{pane.title} can't be made {_WORDS[axis, steps]} here.", timeout=3)

    def show_help(self) -> None:
        """The focused pane, and every key that works now."""
        from sdtui.tui.screens.help import HelpScreen, key_help

        pane = self.focused_pane
        title = pane.title if pane else "sdtui"
        about = pane.about if pane else "Press a letter after the jump key to go to a pane."
        self.app.push_screen(HelpScreen(title, about, key_help(self)))
