"""The first line: name, tabs where panes share the window, model, and memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from rich.text import Text
from textual import events
from textual.geometry import Offset
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget

from sdtui.core.text import one_line
from sdtui.core.units import gibibytes
from sdtui.tui.messages import message
from sdtui.tui.styles import theme_style

if TYPE_CHECKING:
    from sdtui.monitor import Sample

Tab = Literal["create", "queue", "history"]

TABS: dict[Tab, str] = {"create": "Create", "queue": "Queue", "history": "History"}


class TopBar(Widget):
    """Name, tabs, model, download and memory."""

    DEFAULT_CSS = (
        "TopBar { width: 100%; height: 1; padding: 0 1; color: $foreground; background: $surface; }"
    )

    tab: reactive[Tab | None] = reactive(None)
    """The visible tab; None if all panes are visible."""
    model: reactive[str] = reactive("")
    sample: reactive[Sample | None] = reactive(None)
    download: reactive[float | None] = reactive(None)
    """The downloaded share of a model, from 0 to 1; None if none is being downloaded."""

    @message
    class TabChosen(Message):
        """A tab was clicked."""

        tab: Tab

    def render(self) -> Text:
        left = Text().append("sdtui", theme_style(self.app, "accent")).append("  ")
        if self.tab is not None:
            for tab, name in TABS.items():
                here = tab == self.tab
                style = theme_style(self.app, "accent") if here else theme_style(self.app, "muted")
                left.append(f"{name}", style + theme_style(self.app, "plain"))
                left.append("  ")
        right = self._downloading() + self._memory()
        space = self.content_size.width - left.cell_len - len(right) - 1
        left.append(one_line(self.model) if space > 8 else "", theme_style(self.app, "muted"))
        left.truncate(max(1, self.content_size.width - len(right)), overflow="ellipsis", pad=True)
        return left.append(right)

    def _downloading(self) -> str:
        return "" if self.download is None else f" ↓ {self.download:.0%} "

    def _memory(self) -> str:
        if self.sample is None:
            return ""
        kind, used, total, _ = self.sample.memory
        gpu = self.sample.gpu
        busy = self.sample.cpu if gpu is None else gpu.utilisation
        unit = "CPU" if gpu is None else "GPU"
        share = f"  {unit} {busy:3.0f} %" if busy is not None else ""
        return f" {kind} {gibibytes(used)}/{gibibytes(total)} GiB{share}"

    def offset_of(self, tab: Tab) -> Offset:
        """Return where a tab's name begins on the screen."""
        names = [*TABS.values()]
        before = ["sdtui", *names[: names.index(TABS[tab])], ""]
        return self.region.offset + Offset(1 + len("  ".join(before)), 0)

    def on_click(self, event: events.Click) -> None:
        for tab, name in TABS.items() if self.tab is not None else ():
            place = self.offset_of(tab).x
            if place <= event.x < place + len(name):
                self.post_message(self.TabChosen(tab))
