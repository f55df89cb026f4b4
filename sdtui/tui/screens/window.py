"""The panes of the main screen, their arrangement and the focus."""

from __future__ import annotations

from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.widget import Widget
from textual.widgets import Static

from sdtui.tui.bindings import bindings_in
from sdtui.tui.context import AppContext
from sdtui.tui.panes.collection import Panes
from sdtui.tui.panes.gallery import Gallery
from sdtui.tui.panes.pane import Pane
from sdtui.tui.panes.stage import Stage
from sdtui.tui.textual_internals.screens import SteadyScreen, is_first_resume
from sdtui.tui.widgets.divider import Divider
from sdtui.tui.widgets.key_bar import KeyBar
from sdtui.tui.widgets.shelf_tabs import ShelfTabs
from sdtui.tui.widgets.top_line import TopLine
from sdtui.tui.window_layout import TOO_SMALL, WindowLayout


class WindowScreen(SteadyScreen[None]):
    """The stage with the current picture, the shelf with its tabs, and the dock with the prompts;
    and the keys that arrange them and move the focus."""

    AUTO_FOCUS = "#prompt"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings_in("window"), *bindings_in("shelf")]

    def __init__(self, context: AppContext) -> None:
        super().__init__()
        self.context = context
        self.panes = Panes(context)
        self.top_line = TopLine()
        self.divider = Divider()
        self.tabs = ShelfTabs(self.panes.shelf)
        self.window = WindowLayout(self, self.panes, self.tabs)

    def compose(self) -> ComposeResult:
        self.window.use_sizes(self.context.state.sizes)
        self.window.arrange(*self.app.size)  # before there is anything that would be restyled
        yield self.top_line
        with Horizontal(id="body"):
            yield self.panes.stage
            yield self.divider
            with Vertical(id="shelf"):
                yield self.tabs
                yield from self.panes.shelf.values()
        yield self.panes.dock
        yield Static(TOO_SMALL, id="too-small")
        yield KeyBar()

    @property
    def focus_chain(self) -> list[Widget]:
        """The widgets in the order of the tab key: prompt, shelf, stage, negative prompt."""
        chain = super().focus_chain
        return [each for each in self.window.focus_targets if each in chain]

    def on_screen_resume(self, event: events.ScreenResume) -> None:
        """The first time every pane has just got its styles; once more would take a while."""
        if is_first_resume(self):
            event.refresh_styles = False

    def on_resize(self, event: events.Resize) -> None:
        self.window.arrange(event.size.width, event.size.height)

    @property
    def keys_shown(self) -> dict[str, str]:
        """Return the first key of every action that works now, by action id, as displayed."""
        return {
            active.binding.id: self.app.get_key_display(active.binding)
            for active in reversed(self.active_bindings.values())
            if active.binding.id
        }

    @property
    def about_focus(self) -> tuple[str, str]:
        """The title of the focused pane, and what it is."""
        pane = self.window.focused_pane
        return (pane.title, pane.about) if pane else ("", "")

    # Keys

    def action_focus_next(self) -> None:
        self.focus_next()

    def action_focus_previous(self) -> None:
        self.focus_previous()

    def action_prompt(self) -> None:
        self.window.focus_prompt()

    action_back = action_prompt

    def action_gallery_tab(self) -> None:
        self.window.show_tab("gallery")

    def action_recipe_tab(self) -> None:
        self.window.show_tab("recipe")

    def action_queue_tab(self) -> None:
        self.window.show_tab("queue")

    def action_info_tab(self) -> None:
        self.window.show_tab("info")

    def action_log_tab(self) -> None:
        self.window.show_tab("log")

    def action_taller(self) -> None:
        self.window.heighten_prompt(1)

    def action_shorter(self) -> None:
        self.window.heighten_prompt(-1)

    def action_wider(self) -> None:
        self.window.widen_stage(2)

    def action_narrower(self) -> None:
        self.window.widen_stage(-2)

    def action_usual_sizes(self) -> None:
        self.window.reset_sizes()

    # Messages of panes and widgets

    @on(ShelfTabs.TabChosen)
    def _tab_chosen(self, event: ShelfTabs.TabChosen) -> None:
        self.window.show_tab(event.tab)

    @on(Pane.CountChanged)
    @on(events.DescendantFocus)
    def _tabs_changed(self) -> None:
        self.tabs.refresh()
        self.divider.is_line = self.panes.stage.has_focus

    @on(Divider.Dragged)
    def _divider_dragged(self, event: Divider.Dragged) -> None:
        self.window.set_stage_width(event.column)

    @on(Stage.Step)
    def _step(self, event: Stage.Step) -> None:
        self.panes.gallery.step(event.by)

    @on(Gallery.Resized)
    def _thumbnails_resized(self, event: Gallery.Resized) -> None:
        self.window.set_pitch(event.pitch)

    @on(Gallery.Left)
    def _gallery_left(self) -> None:
        self.action_back()
