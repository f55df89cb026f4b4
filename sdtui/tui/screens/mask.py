"""Drawing a mask over a picture, by keys or with the mouse."""

from __future__ import annotations

from typing import ClassVar

from rich.cells import cell_len
from rich.text import Text
from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.widgets import Static

from sdtui.tui.bindings import bindings_in
from sdtui.tui.images.zoom import Zoom
from sdtui.tui.mask_editor.borders import Side
from sdtui.tui.mask_editor.canvas import TINTS, Canvas
from sdtui.tui.mask_editor.caption import about_mask, about_tool, about_view
from sdtui.tui.mask_editor.editor import MaskEditor, Tool
from sdtui.tui.mask_editor.pointer import Pointer
from sdtui.tui.mask_editor.strokes import Box, Point
from sdtui.tui.screens.dialogs import ConfirmScreen
from sdtui.tui.styles import theme_style
from sdtui.tui.textual_internals.screens import SteadyScreen
from sdtui.tui.widgets.key_bar import KeyBar
from sdtui.tui.widgets.mask_view import MaskView

_FAR = 8
"""Half-cells that the cursor moves with shift."""
_MOST_DIGITS = 4
_DIRECTIONS: dict[Side, Point] = {
    "left": (-1, 0),
    "right": (1, 0),
    "top": (0, -1),
    "bottom": (0, 1),
}


class MaskScreen(SteadyScreen[bool]):
    """Lets the user draw into an editor. The answer is True if the mask is to be used."""

    CSS_PATH = "picture.tcss"
    BINDINGS: ClassVar[list[BindingType]] = bindings_in("mask")

    def __init__(self, editor: MaskEditor, *, may_be_empty: bool = False) -> None:
        """`may_be_empty` says that a mask without anything can be used: it takes the place of one
        that isn't."""
        super().__init__()
        self.editor = editor
        self.canvas = Canvas(editor)
        self._may_be_empty = may_be_empty
        self._view = MaskView(self.canvas)
        self._caption = Static(id="caption")
        self._pointer = Pointer(editor, self.canvas)
        self._typed = ""
        """The digits of a border that were typed."""
        self._share = editor.share
        self._shown_caption = Text()

    def compose(self) -> ComposeResult:
        self.canvas.colour_system = self.app.console.color_system
        yield self._view
        yield self._caption
        yield KeyBar()

    def on_mount(self) -> None:
        self._show_caption()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Leave out what the tool doesn't do."""
        if action == "pen":
            return self.editor.tool is not Tool.BORDERS
        return super().check_action(action, parameters)

    # What is shown

    def _show(self, box: Box | None = None) -> None:
        """Draw again; `box` is what changed of the mask."""
        self.canvas.changed(box)
        self._view.draw()
        if box is not None and not self.editor.is_down:
            self._share = self.editor.share
        self._show_caption()

    def _show_caption(self) -> None:
        editor = self.editor
        line = Text(no_wrap=True)
        line.append(about_tool(editor, self._typed), theme_style(self.app, "accent"))
        if editor.erases and editor.tool is not Tool.BORDERS:
            line.append(" erases", theme_style(self.app, "warning"))
        if editor.is_down:
            line.append(" · pen down", theme_style(self.app, "running"))
        if not self.canvas.shows_mask:
            line.append(" · mask hidden", theme_style(self.app, "warning"))
        line.append(about_mask(editor, self._share))
        right = about_view(self.canvas)
        space = self.size.width - 2 - cell_len(right)
        if line.cell_len + 2 <= space:
            line.pad_right(space - line.cell_len)
            line.append(right)
        if line != self._shown_caption:
            self._shown_caption = line
            self._caption.update(line)

    @on(MaskView.Resized)
    def _resized(self) -> None:
        self._show_caption()

    # Keys

    def action_pen(self) -> None:
        """Put the pen down, or lift it."""
        self.canvas.shows_blur = False
        if self.editor.is_down:
            self._show(self.editor.lift())
        elif (box := self.editor.put_down()) is None and self.editor.tool is Tool.FILL:
            self.notify("There is nothing to fill here.", timeout=2)
        else:
            self._show(box)

    def action_left(self) -> None:
        self._go("left", 1)

    def action_right(self) -> None:
        self._go("right", 1)

    def action_up(self) -> None:
        self._go("top", 1)

    def action_down(self) -> None:
        self._go("bottom", 1)

    def action_far_left(self) -> None:
        self._go("left", _FAR)

    def action_far_right(self) -> None:
        self._go("right", _FAR)

    def action_far_up(self) -> None:
        self._go("top", _FAR)

    def action_far_down(self) -> None:
        self._go("bottom", _FAR)

    def _go(self, side: Side, half_cells: int) -> None:
        """Move the cursor, or the border of a side: outwards, or inwards by the keys that move the
        cursor far."""
        editor = self.editor
        if editor.tool is Tool.BORDERS:
            by = editor.border_step if half_cells == 1 else -editor.border_step
            self._change_border(side, editor.borders.of(side) + by)
            return
        (right, down), pixel = _DIRECTIONS[side], self.canvas.pixel
        x, y = editor.cursor
        step = half_cells * max(1.0, pixel[0]), half_cells * max(1.0, pixel[1])
        box = editor.move_to((x + right * step[0], y + down * step[1]))
        self.canvas.changed(box)
        self.canvas.follow_cursor()
        self._show()

    def _change_border(self, side: Side, pixels: int) -> None:
        self._typed = ""
        self.editor.change_border(side, pixels)
        self._show()

    def on_key(self, event: events.Key) -> None:
        """Take the digits of a border."""
        if self.editor.tool is not Tool.BORDERS:
            return
        typed = self._typed
        if event.character and event.character.isascii() and event.character.isdigit():
            typed = (typed + event.character)[: _MOST_DIGITS + 1]
        elif event.key == "minus" and not typed:
            typed = "-"
        elif event.key == "backspace" and typed:
            typed = typed[:-1]
        else:
            return
        event.stop()
        event.prevent_default()
        pixels = int(typed) if typed.strip("-") else 0
        self.editor.change_border(self.editor.side, pixels, goes_on=bool(self._typed))
        self._typed = typed
        self._show()

    def action_brush(self) -> None:
        self._use(Tool.BRUSH)

    def action_rectangle(self) -> None:
        self._use(Tool.RECTANGLE)

    def action_lasso(self) -> None:
        self._use(Tool.LASSO)

    def action_fill(self) -> None:
        self._use(Tool.FILL)

    def action_borders(self) -> None:
        self._use(Tool.BORDERS)

    def _use(self, tool: Tool) -> None:
        self._typed = ""
        self.editor.use_tool(tool)
        self.refresh_bindings()
        self._show()

    def action_erase(self) -> None:
        self.editor.lift()
        self.editor.erases = not self.editor.erases
        self._show()

    def action_soft(self) -> None:
        self.editor.is_soft = not self.editor.is_soft
        self._show()

    def action_smaller(self) -> None:
        self.editor.step(-1)
        self._show()

    def action_larger(self) -> None:
        self.editor.step(1)
        self._show()

    def action_less_blur(self) -> None:
        self._step_blur(-1)

    def action_more_blur(self) -> None:
        self._step_blur(1)

    def _step_blur(self, by: int) -> None:
        """Change the blur, and show it until the pen is put down."""
        self.editor.step_blur(by)
        self.canvas.shows_blur = True
        self._show()

    def action_invert(self) -> None:
        self._show(self.editor.invert())

    def action_all(self) -> None:
        self._show(self.editor.mask_all())

    def action_clear(self) -> None:
        self._show(self.editor.clear())

    def action_undo(self) -> None:
        self._change_back(self.editor.undo(), "undo")

    def action_redo(self) -> None:
        self._change_back(self.editor.redo(), "redo")

    def _change_back(self, box: Box | None, what: str) -> None:
        if box is None:
            self.notify(f"There is nothing to {what}.", timeout=2)
        self._show(box)

    def action_tint(self) -> None:
        self.canvas.tint = TINTS[(TINTS.index(self.canvas.tint) + 1) % len(TINTS)]
        self._show()

    def action_peek(self) -> None:
        self.canvas.shows_mask = not self.canvas.shows_mask
        self._show()

    def action_zoom_in(self) -> None:
        self.canvas.magnify(1)
        self._show()

    def action_zoom_out(self) -> None:
        self.canvas.magnify(-1)
        self._show()

    def action_fit(self) -> None:
        self.canvas.zoom = Zoom()
        self._show()

    # The mouse

    @on(MaskView.Pressed)
    def _pressed(self, event: MaskView.Pressed) -> None:
        self._typed = ""
        self.canvas.shows_blur = False
        self._show(self._pointer.press(event.place, event.button))

    @on(MaskView.Dragged)
    def _dragged(self, event: MaskView.Dragged) -> None:
        self._show(self._pointer.drag(event.place))

    @on(MaskView.Released)
    def _released(self) -> None:
        self._show(self._pointer.release())

    @on(MaskView.Scrolled)
    def _scrolled(self, event: MaskView.Scrolled) -> None:
        self.canvas.magnify(event.steps, event.at)
        self._show()

    # The end

    def action_use(self) -> None:
        """Use the mask; a shape under way is drawn first."""
        editor = self.editor
        if editor.draws_shape:
            self._show(editor.lift())
            return
        self._show(editor.lift())
        if editor.is_empty and not editor.borders and not self._may_be_empty:
            self.notify("Nothing is masked yet: space puts the pen down, arrows draw.", timeout=4)
            return
        self.dismiss(True)

    def action_close(self) -> None:
        """Leave the shape under way, lift the pen, leave the borders, or leave."""
        if self.editor.is_down:
            self._show(self.editor.lift(finishes=False))
        elif self.editor.tool is Tool.BORDERS:
            self._use(Tool.BRUSH)
        else:
            self.leave()

    def leave(self) -> None:
        """Leave; if something was drawn, ask first."""
        if not self.editor.is_changed:
            self.dismiss(False)
            return
        question = ConfirmScreen(
            "Leave the mask?", "What was drawn will be lost.", "Leave", "Go on drawing"
        )
        self.app.push_screen(question, self._answered)

    def _answered(self, leaves: bool | None) -> None:
        if leaves:
            self.dismiss(False)
