"""The state of a mask that is being drawn."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from enum import StrEnum
from typing import TYPE_CHECKING

from sdtui.tui.mask_editor.borders import Borders, Side
from sdtui.tui.mask_editor.strokes import (
    MASKED,
    UNMASKED,
    Box,
    Point,
    draw_outline,
    draw_rectangle,
    draw_stroke,
    fill,
)
from sdtui.tui.mask_editor.undo import NOWHERE, Restored, UndoStack

if TYPE_CHECKING:
    from PIL.Image import Image

BRUSHES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024)
"""Diameters, in pixels of the picture."""
TOLERANCES = (0, 4, 8, 16, 24, 32, 48, 64, 96, 128, 192, 255)
BLURS = (0, 1, 2, 4, 6, 8, 12, 16, 24, 32, 48, 64)
BORDER_STEPS = (8, 16, 32, 64, 128, 256)
_BRUSHES_ACROSS = 16
"""Of the first brush, in the shorter side of a picture."""
_LEAST_MOVE = 0.5
"""Pixels of the picture that lie between two points of an outline."""


class Tool(StrEnum):
    """What the pen draws; the values are its names."""

    BRUSH = "brush"
    RECTANGLE = "rectangle"
    LASSO = "lasso"
    FILL = "fill"
    BORDERS = "borders"


_SHAPES = (Tool.RECTANGLE, Tool.LASSO)
"""Are drawn when the pen is lifted."""


class MaskEditor:
    """A picture, its mask and borders, the tools and the cursor. Coordinates are pixels of the
    picture."""

    def __init__(
        self,
        picture: Image,
        mask: Image | None = None,
        *,
        borders: Borders | None = None,
        blur: int = 0,
    ) -> None:
        """`picture` is in RGB. A mask of another size is resized to it; none is empty."""
        from PIL.Image import new

        self.picture = picture
        self.mask = new("L", picture.size)
        if mask is not None:
            self.mask = mask.convert("L").resize(picture.size)
        self.has_grey = sum(self.mask.histogram()[1:-1]) > 0
        """True if a part may be masked in part."""
        self.borders = borders or Borders()
        self.blur = blur
        self.side: Side = "left"
        """The border that is changed."""
        self.border_step = 32
        self.tool = Tool.BRUSH
        self.erases = False
        self.is_soft = False
        self.brush = _nearest(BRUSHES, min(picture.size) / _BRUSHES_ACROSS)
        self.tolerance = 32
        self.cursor: Point = (picture.width / 2, picture.height / 2)
        self.points: list[Point] = []
        """Where the pen has been since it was put down; empty while it is up."""
        self._undo = UndoStack()
        self._before: Image | None = None
        """The mask before the stroke under way."""
        self._value = MASKED
        """What the stroke under way draws."""
        self._first = (self.mask.copy(), self.borders)

    @property
    def size(self) -> tuple[int, int]:
        """The picture's width and height."""
        return self.picture.size

    @property
    def is_down(self) -> bool:
        """True while the pen is down."""
        return bool(self.points)

    @property
    def draws_shape(self) -> bool:
        """True while a shape is under way that will be drawn when the pen is lifted."""
        return self.is_down and self.tool in _SHAPES

    @property
    def is_changed(self) -> bool:
        """True if the mask or the borders aren't those of the beginning."""
        mask, borders = self._first
        return self.borders != borders or self.mask.tobytes() != mask.tobytes()

    @property
    def is_empty(self) -> bool:
        """True if nothing is masked."""
        return self.mask.getbbox() is None

    @property
    def share(self) -> float:
        """How much is masked, from 0 to 1."""
        counts = self.mask.histogram()
        masked = sum(value * count for value, count in enumerate(counts))
        return masked / MASKED / (self.mask.width * self.mask.height)

    @property
    def value(self) -> int:
        """What the tools draw."""
        return UNMASKED if self.erases else MASKED

    # The pen

    def use_tool(self, tool: Tool) -> None:
        """Take another tool; what is under way is left."""
        self.lift(finishes=self.tool not in _SHAPES)
        self.tool = tool

    def put_down(self, *, erases: bool | None = None) -> Box | None:
        """Put the pen down at the cursor, or fill from there. Returns the box of the mask that
        changed. `erases` is for this stroke alone."""
        value = self.value if erases is None else UNMASKED if erases else MASKED
        if self.tool is Tool.FILL:
            before = self.mask.copy()
            fill(self.mask, self.picture, self.cursor, self.tolerance, value)
            return self._done(before)
        self._value = value
        self.points = [self.cursor]
        self._before = self.mask.copy()
        return self._stroke(self.cursor) if self.tool is Tool.BRUSH else None

    def move_to(self, point: Point) -> Box | None:
        """Move the cursor, no further than the picture's edges, and draw if the pen is down.
        Returns the box of the mask that changed."""
        before = self.cursor
        self.cursor = (
            min(max(0.0, point[0]), self.picture.width - 1e-3),
            min(max(0.0, point[1]), self.picture.height - 1e-3),
        )
        if not self.is_down or self.tool is Tool.BORDERS:
            return None
        if self.tool is Tool.BRUSH:
            self.points.append(self.cursor)
            return self._stroke(before)
        last = self.points[-1]
        if max(abs(self.cursor[0] - last[0]), abs(self.cursor[1] - last[1])) >= _LEAST_MOVE:
            self.points.append(self.cursor)
        return None

    def _stroke(self, start: Point) -> Box:
        self.has_grey = self.has_grey or self.is_soft
        return draw_stroke(
            self.mask, start, self.cursor, self.brush, is_soft=self.is_soft, value=self._value
        )

    def lift(self, *, finishes: bool = True) -> Box | None:
        """Lift the pen, and draw the shape under way, unless it is left. Returns the box of the
        mask that changed."""
        points, before = self.points, self._before
        self.points, self._before = [], None
        if not points or before is None:
            return None
        if finishes and self.tool is Tool.RECTANGLE:
            draw_rectangle(self.mask, points[0], self.cursor, self._value)
        elif finishes and self.tool is Tool.LASSO:
            draw_outline(self.mask, points, self._value)
        return self._done(before)

    # The whole mask

    def invert(self) -> Box | None:
        from PIL import ImageChops

        return self._replace(ImageChops.invert(self.mask))

    def clear(self) -> Box | None:
        return self._fill_all(UNMASKED)

    def mask_all(self) -> Box | None:
        return self._fill_all(MASKED)

    def _fill_all(self, value: int) -> Box | None:
        from PIL import Image

        return self._replace(Image.new("L", self.size, value))

    def _replace(self, mask: Image) -> Box | None:
        self.lift(finishes=False)
        before, self.mask = self.mask, mask
        return self._done(before)

    def undo(self) -> Box | None:
        """Take the last change back. Returns the box of the mask that changed; None if there is
        nothing to undo."""
        self.lift()
        return self._restored(self._undo.undo(self.mask, self.borders))

    def redo(self) -> Box | None:
        """Repeat the change that was undone last. Returns the box of the mask that changed, or
        None."""
        self.lift()
        return self._restored(self._undo.redo(self.mask, self.borders))

    def _restored(self, restored: Restored | None) -> Box | None:
        if restored is None:
            return None
        self.borders = restored.borders
        return restored.box

    def _done(self, before: Image) -> Box | None:
        """Remember what the mask was before a change. Returns the box that changed, if any."""
        box = _differing(before, self.mask)
        if box is not None:
            self._undo.remember(before, self.borders, box)
        return box

    # Sizes

    def step(self, by: int) -> None:
        """Take the next larger value of the tool, or smaller ones: of the brush's size, of the
        fill's tolerance, or of the steps of borders."""
        if self.tool is Tool.FILL:
            self.tolerance = _stepped(TOLERANCES, self.tolerance, by)
        elif self.tool is Tool.BORDERS:
            self.border_step = _stepped(BORDER_STEPS, self.border_step, by)
        else:
            self.brush = _stepped(BRUSHES, self.brush, by)

    def step_blur(self, by: int) -> None:
        """Take the next larger blur, or a smaller one."""
        self.blur = _stepped(BLURS, self.blur, by)

    def change_border(self, side: Side, pixels: int, *, goes_on: bool = False) -> None:
        """Set the pixels of a border. `goes_on` says that it is still the same change, as with the
        next digit."""
        self.side = side
        changed = self.borders.with_side(side, pixels, self.size)
        if changed == self.borders and not goes_on:
            return
        if not goes_on:
            self._undo.remember(self.mask, self.borders, NOWHERE)
        self.borders = changed


def _differing(before: Image, after: Image) -> Box | None:
    from PIL import ImageChops

    return ImageChops.difference(before, after).getbbox()


def _nearest(values: tuple[int, ...], wanted: float) -> int:
    return min(values, key=lambda each: abs(each - wanted))


def _stepped(values: tuple[int, ...], value: int, by: int) -> int:
    """Return the next larger or smaller one of some values."""
    place = bisect_right(values, value) if by > 0 else bisect_left(values, value) - 1
    return values[min(len(values) - 1, max(0, place))]
