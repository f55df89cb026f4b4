"""What the mouse does to a mask."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sdtui.tui.mask_editor.borders import Borders, Side
from sdtui.tui.mask_editor.canvas import Canvas
from sdtui.tui.mask_editor.editor import MaskEditor, Tool
from sdtui.tui.mask_editor.strokes import Box, Point

MIDDLE, RIGHT = 2, 3
"""Buttons of the mouse; all others draw."""


@dataclass(frozen=True)
class _Drag:
    """What was there when a button was pressed."""

    button: int
    place: Point
    """In half-cells of the picture's cells."""
    side: Side
    """The border that was nearest."""
    borders: Borders
    pixel: tuple[float, float]
    """The size of a half-cell in pixels: the view gets smaller as borders are added."""


class Pointer:
    """Draws with the left button, erases with the right one, and moves a magnified picture with the
    middle one. Methods return the box of the mask that changed."""

    def __init__(self, editor: MaskEditor, canvas: Canvas) -> None:
        self._editor = editor
        self._canvas = canvas
        self._drag: _Drag | None = None

    def press(self, place: Point, button: int) -> Box | None:
        """A button was pressed at a place, in half-cells of the picture's cells."""
        editor, canvas = self._editor, self._canvas
        editor.lift()
        point = canvas.point_at(*place)
        side = self._nearest_side(point)
        self._drag = _Drag(button, place, side, editor.borders, canvas.pixel)
        if button == MIDDLE:
            return None
        if editor.tool is Tool.BORDERS:
            editor.change_border(side, editor.borders.of(side))
            return None
        editor.move_to(point)
        return editor.put_down(erases=not editor.erases if button == RIGHT else None)

    def drag(self, place: Point) -> Box | None:
        """The mouse was moved while the button is down."""
        drag = self._drag
        if drag is None:
            return None
        if drag.button == MIDDLE:
            right, down = (at - start for at, start in zip(place, drag.place, strict=True))
            columns, rows = self._canvas.cells
            self._canvas.pan(-right / columns, -down / (rows * 2))
            self._drag = replace(drag, place=place)
        elif self._editor.tool is Tool.BORDERS:
            self._drag_border(drag, place)
        else:
            return self._editor.move_to(self._canvas.point_at(*place))
        return None

    def release(self) -> Box | None:
        """The button was released."""
        drag, self._drag = self._drag, None
        return None if drag is None or drag.button == MIDDLE else self._editor.lift()

    def _drag_border(self, drag: _Drag, place: Point) -> None:
        axis = 0 if drag.side in ("left", "right") else 1
        outwards = -1 if drag.side in ("left", "top") else 1
        moved = (place[axis] - drag.place[axis]) * drag.pixel[axis] * outwards
        self._editor.change_border(
            drag.side,
            drag.borders.of(drag.side) + round(moved),
            goes_on=self._editor.borders != drag.borders,
        )

    def _nearest_side(self, point: Point) -> Side:
        left, top, right, bottom = self._editor.borders.frame(self._editor.size)
        distances: dict[Side, float] = {
            "left": abs(point[0] - left),
            "right": abs(point[0] - right),
            "top": abs(point[1] - top),
            "bottom": abs(point[1] - bottom),
        }
        return min(distances, key=lambda side: distances[side])
