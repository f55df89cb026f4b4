"""Borders that are added to a picture or cut off."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Literal

from sdtui.requests.sections.outpaint import BORDER_MULTIPLE, LARGEST_BORDER, parse_sides
from sdtui.tui.mask_editor.strokes import Box

Side = Literal["left", "top", "right", "bottom"]
SIDES: tuple[Side, ...] = ("left", "top", "right", "bottom")
_OPPOSITE: dict[Side, Side] = {"left": "right", "right": "left", "top": "bottom", "bottom": "top"}
_LEAST_SIDE = 64
"""Pixels that are left of a picture's width and height."""


@dataclass(frozen=True)
class Borders:
    """Pixels at each side: positive ones are added, to be painted by the model; negative ones are
    cut off."""

    left: int = 0
    top: int = 0
    right: int = 0
    bottom: int = 0

    def __bool__(self) -> bool:
        return any(self.of(side) for side in SIDES)

    def of(self, side: Side) -> int:
        """Return the pixels at a side."""
        pixels: int = getattr(self, side)
        return pixels

    def with_side(self, side: Side, pixels: int, size: tuple[int, int]) -> Borders:
        """Return the borders with other pixels at a side, a multiple of 8, so that something is
        left of a picture of `size`."""
        length = size[0] if side in ("left", "right") else size[1]
        kept = length + min(0, self.of(_OPPOSITE[side]))
        least = min(0, _LEAST_SIDE - kept)
        limited = max(least, min(LARGEST_BORDER, pixels))
        multiple = int(limited / BORDER_MULTIPLE) * BORDER_MULTIPLE
        return replace(self, **{side: multiple})

    @property
    def added(self) -> Borders:
        """The borders without what is cut off."""
        return Borders(*(max(0, getattr(self, each.name)) for each in fields(self)))

    @property
    def cuts(self) -> bool:
        """True if something is cut off."""
        return any(self.of(side) < 0 for side in SIDES)

    def kept(self, size: tuple[int, int]) -> Box:
        """Return the part of a picture of `size` that isn't cut off."""
        width, height = size
        return (
            max(0, -self.left),
            max(0, -self.top),
            width - max(0, -self.right),
            height - max(0, -self.bottom),
        )

    def frame(self, size: tuple[int, int]) -> Box:
        """Return the box of the result, in pixels of a picture of `size`."""
        return -self.left, -self.top, size[0] + self.right, size[1] + self.bottom

    def canvas(self, size: tuple[int, int]) -> Box:
        """Return the box of the picture with all that is added to it."""
        return self.added.frame(size)

    @property
    def text(self) -> str:
        """What is added, as the field `outpaint` has it: "left=64,top=32"."""
        return ",".join(f"{side}={self.of(side)}" for side in SIDES if self.of(side) > 0)


def borders_of(text: str) -> Borders:
    """Return the borders of a text of the field `outpaint`; none for one that isn't understood."""
    try:
        return Borders(**parse_sides(text))
    except ValueError:
        return Borders()
