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
from sdtui.tui.ink import ink
from sdtui.tui.messages import message
from sdtui.tui.quantities import gibibytes

if TYPE_CHECKING:
    from sdtui.monitor import Sample

Room = Literal["create", "queue", "history"]

ROOMS: dict[Room, str] = {"create": "Create", "queue": "Queue", "history": "History"}


class TopBar(Widget):
    """One line over the panes."""

    DEFAULT_CSS = (
        "TopBar { width: 100%; height: 1; padding: 0 1; color: $foreground; background: $surface; }"
    )

    room: reactive[Room | None] = reactive(None)
    """The tab that is seen; None where all panes are."""
    model: reactive[str] = reactive("")
    sample: reactive[Sample | None] = reactive(None)
    download: reactive[float | None] = reactive(None)
    """How much of a model has come, from 0 to 1; None if none is being downloaded."""

    @message
    class RoomChosen(Message):
        """A tab was clicked."""

        room: Room

    def render(self) -> Text:
        """Left what it is, right the memory."""
        left = Text().append("sdtui", ink(self.app, "accent")).append("  ")
        if self.room is not None:
            for room, name in ROOMS.items():
                here = room == self.room
                style = ink(self.app, "accent") if here else ink(self.app, "muted")
                left.append(f"{name}", style + ink(self.app, "plain"))
                left.append("  ")
        right = self._downloading() + self._memory()
        space = self.content_size.width - left.cell_len - len(right) - 1
        left.append(one_line(self.model) if space > 8 else "", ink(self.app, "muted"))
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

    def offset_of(self, room: Room) -> Offset:
        """Where a tab's name begins."""
        names = [*ROOMS.values()]
        before = ["sdtui", *names[: names.index(ROOMS[room])], ""]
        return self.region.offset + Offset(1 + len("  ".join(before)), 0)

    def on_click(self, event: events.Click) -> None:
        """A click on a tab."""
        for room, name in ROOMS.items() if self.room is not None else ():
            place = self.offset_of(room).x
            if place <= event.x < place + len(name):
                self.post_message(self.RoomChosen(room))
