"""The line between stage and shelf, which can be dragged."""

from __future__ import annotations

from rich.text import Text
from textual import events
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget

from sdtui.tui.messages import message


class Divider(Widget):
    """An empty column; dragging it posts where it is wanted. It is a line beside the picture while
    that has the focus."""

    DEFAULT_CSS = """
    Divider {
        width: 1;
        height: 1fr;
        color: $focus;
        &:hover { background: $accent; }
    }
    """

    is_line: reactive[bool] = reactive(False)

    @message
    class Dragged(Message):
        """The divider was dragged to a column of the screen, from 0."""

        column: int

    def render(self) -> Text:
        return Text("\n".join("┃" * self.size.height) if self.is_line else "")

    def on_mouse_down(self, event: events.MouseDown) -> None:
        event.stop()
        self.capture_mouse()

    def on_mouse_move(self, event: events.MouseMove) -> None:
        if self.app.mouse_captured is self:
            self.post_message(self.Dragged(event.screen_x))

    def on_mouse_up(self) -> None:
        self.release_mouse()
