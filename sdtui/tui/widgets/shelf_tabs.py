"""The row of tabs over the shelf."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rich.text import Text
from textual import events
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget

from sdtui.tui.messages import message
from sdtui.tui.panes.pane import Pane
from sdtui.tui.styles import theme_style
from sdtui.tui.tabs import TABS, Tab


class ShelfTabs(Widget):
    """Numbered names of the tabs, with the count of each; where they don't fit, the open one's name
    and the numbers of the others."""

    DEFAULT_CSS = "ShelfTabs { width: 1fr; height: 1; color: $foreground; }"

    tab: reactive[Tab] = reactive[Tab]("gallery")

    @message
    class TabChosen(Message):
        """A tab was clicked."""

        tab: Tab

    def __init__(self, panes: Mapping[Tab, Pane]) -> None:
        super().__init__(id="tabs")
        self._panes = panes

    def render(self) -> Text:
        line = Text(no_wrap=True, overflow="crop")
        for tab, label in self._labels():
            has_focus = tab == self.tab and self._panes[tab].has_focus_within
            style = theme_style(self.app, "accent" if has_focus else "muted")
            if tab == self.tab:
                style = theme_style(self.app, "accent" if has_focus else "plain")
            line.append(label, style)
            line.append(" ")
        return line

    def _labels(self) -> Iterator[tuple[Tab, str]]:
        """Yield each tab with its label: with blanks around it, without, or only its number."""
        names = {tab: self._label(tab, number) for number, tab in enumerate(TABS, 1)}
        numbers = {tab: str(number) for number, tab in enumerate(TABS, 1)}
        padded = {tab: f" {name} " for tab, name in names.items()}
        for labels in (padded, names, numbers):
            shown = labels | {self.tab: f"[{names[self.tab]}]"}
            if sum(len(label) + 1 for label in shown.values()) - 1 <= self.size.width:
                break
        yield from shown.items()

    def _label(self, tab: Tab, number: int) -> str:
        count = self._panes[tab].count if tab in ("gallery", "queue") else ""
        return f"{number} {TABS[tab]}" + (f"·{count}" if count else "")

    def on_click(self, event: events.Click) -> None:
        place = 0
        for tab, label in self._labels():
            if place <= event.x < place + len(label):
                self.post_message(self.TabChosen(tab))
            place += len(label) + 1
