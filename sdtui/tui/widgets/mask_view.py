"""The picture with the mask that is being drawn over it."""

from __future__ import annotations

from textual import events
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from sdtui.tui.images.halfcell import draw_row
from sdtui.tui.mask_editor.canvas import Canvas
from sdtui.tui.mask_editor.strokes import Point
from sdtui.tui.messages import message


class MaskView(Widget):
    """Draws a canvas, of which only changed cells are drawn again. It only reports what the mouse
    does."""

    DEFAULT_CSS = "MaskView { width: 1fr; height: 1fr; }"

    class Resized(Message):
        """The view has another size."""

    @message
    class Pressed(Message):
        """A button of the mouse was pressed."""

        place: Point
        """In half-cells of the picture's cells."""
        button: int

    @message
    class Dragged(Message):
        """The mouse was moved with a button down."""

        place: Point

    class Released(Message):
        """The button was released."""

    @message
    class Scrolled(Message):
        """The wheel was turned: up for `steps` 1, down for -1."""

        steps: int
        at: tuple[float, float]
        """The pointer, as fractions of the view's width and height."""

    def __init__(self, canvas: Canvas) -> None:
        super().__init__()
        self._canvas = canvas
        self._cells = (0, 0)
        self._data = b""
        """The RGB of every half-cell that was drawn."""
        self._strips: list[Strip] = []
        self._is_held = False
        """True while a button of the mouse is down."""

    def on_resize(self) -> None:
        self._canvas.resize(*self.size)
        self.draw()
        self.post_message(self.Resized())

    def draw(self) -> None:
        """Draw what has changed."""
        if not self.size:
            return
        image = self._canvas.draw()
        cells, data = (image.width, image.height // 2), image.tobytes()
        if cells != self._cells:
            self._cells, self._data, self._strips = cells, b"", [Strip([])] * cells[1]
            self.refresh()
        left, top = self._corner
        line = cells[0] * 3 * 2
        for y in range(cells[1]):
            row = data[y * line : (y + 1) * line]
            before = self._data[y * line : (y + 1) * line]
            if row != before:
                self._strips[y] = draw_row(row, cells[0])
                first, last = _changed_columns(before, row, cells[0])
                self.refresh(Region(left + first, top + y, last - first, 1))
        self._data = data

    @property
    def _corner(self) -> tuple[int, int]:
        """Where the picture's cells begin."""
        return (self.size.width - self._cells[0]) // 2, (self.size.height - self._cells[1]) // 2

    def render_line(self, y: int) -> Strip:
        left, top = self._corner
        style = self.visual_style.rich_style
        if not 0 <= y - top < len(self._strips):
            return Strip.blank(self.size.width, style)
        right = self.size.width - left - self._cells[0]
        return Strip.join(
            [Strip.blank(left, style), self._strips[y - top], Strip.blank(right, style)]
        )

    # The mouse

    def on_mouse_down(self, event: events.MouseDown) -> None:
        event.stop()
        self._is_held = True
        self.capture_mouse()
        self.post_message(self.Pressed(self._place(event), event.button))

    def on_mouse_move(self, event: events.MouseMove) -> None:
        if self._is_held:
            event.stop()
            self.post_message(self.Dragged(self._place(event)))

    def on_mouse_up(self, event: events.MouseUp) -> None:
        event.stop()
        if self._is_held:
            self._is_held = False
            self.release_mouse()
            self.post_message(self.Released())

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        self._scroll(event, 1)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        self._scroll(event, -1)

    def _scroll(self, event: events.MouseEvent, steps: int) -> None:
        event.stop()
        x, y = event.screen_x - self.region.x, event.screen_y - self.region.y
        at = (x + 0.5) / max(1, self.size.width), (y + 0.5) / max(1, self.size.height)
        self.post_message(self.Scrolled(steps, at))

    def _place(self, event: events.MouseEvent) -> Point:
        """Return the middle of the cell under the pointer."""
        left, top = self._corner
        x, y = event.screen_x - self.region.x - left, event.screen_y - self.region.y - top
        return x + 0.5, 2 * y + 1.0


def _changed_columns(before: bytes, after: bytes, columns: int) -> tuple[int, int]:
    """Return the first changed column of a row of cells, and the one after the last."""
    if len(before) != len(after):
        return 0, columns
    changed = [
        x
        for x in range(columns)
        if before[x * 3 : x * 3 + 3] != after[x * 3 : x * 3 + 3]
        or before[(columns + x) * 3 : (columns + x) * 3 + 3]
        != after[(columns + x) * 3 : (columns + x) * 3 + 3]
    ]
    return changed[0], changed[-1] + 1
