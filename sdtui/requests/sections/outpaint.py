"""Outpainting: the init image gets a border that is made anew."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from sdtui.core.fields import FieldSpec, Section
from sdtui.core.text import shortened

if TYPE_CHECKING:
    from sdtui.core.pictures.canvas import Sides

BORDER_MULTIPLE = 8
LARGEST_BORDER = 1024
"""Pixels at one side."""
_SIDES = ("left", "top", "right", "bottom")
_PART = re.compile(r"(?:([a-z]+)=)?(\d{1,6})", re.ASCII | re.IGNORECASE)
_OTHER_NAMES = {"up": "top", "down": "bottom"}


def parse_sides(text: str) -> dict[str, int]:
    """Return the pixels of each named side of a text such as "left=64,top=32"; "64" and "all=64"
    name all. Raises ValueError."""
    found: dict[str, int] = {}
    text = re.sub(r"\s*=\s*", "=", text)
    for part in filter(None, re.split(r"[,;\s]+", text)):
        match = _PART.fullmatch(part)
        if match is None:
            raise ValueError(
                f'must be sides with pixels, e.g. "left=64,top=32", not {_shown(part)}'
            )
        name = (match[1] or "all").lower()
        name = _OTHER_NAMES.get(name, name)
        if name not in (*_SIDES, "all"):
            raise ValueError(f"has no side {_shown(name)}: there are {', '.join(_SIDES)} and all")
        pixels = int(match[2])
        if pixels % BORDER_MULTIPLE or pixels > LARGEST_BORDER:
            raise ValueError(
                f"must be multiples of {BORDER_MULTIPLE} pixels, at most {LARGEST_BORDER}, "
                f"not {pixels}"
            )
        for side in _SIDES if name == "all" else (name,):
            found[side] = pixels
    if not any(found.values()):
        raise ValueError('must name a side with its pixels, e.g. "left=64"')
    return found


def extended_size(size: tuple[int, int], text: str) -> tuple[int, int]:
    """Return the size of a picture with the sides that `parse_sides` reads. Raises ValueError."""
    from sdtui.core.pictures.canvas import rounded_up

    sides = rounded_up(_sides(text), size, BORDER_MULTIPLE)
    return size[0] + sides.wide, size[1] + sides.high


def _sides(text: str) -> Sides:
    from sdtui.core.pictures.canvas import Sides

    return Sides(**parse_sides(text))


def _checked(text: str) -> str:
    found = parse_sides(text)
    return ",".join(f"{side}={found[side]}" for side in _SIDES if found.get(side))


def _shown(text: str) -> str:
    return f'"{shortened(text)}"'


@dataclass(frozen=True)
class Outpaint(Section):
    """How far the picture is extended."""

    sides: Annotated[
        str,
        FieldSpec(
            name="outpaint",
            label="Outpaint",
            help="Pixels that are added to the init image at its sides, multiples of 8:"
            " left=64,top=32, or 64 for all. Width and height are then those of the whole.",
            group="Inpainting",
            needs="init_image",
            chip_short="+{}",
            max_length=100,
            check=_checked,
            metavar="SIDE=PIXELS,...",
            open_text="none",
            openai="outpaint",
            search=("outpaint",),
        ),
    ]

    @property
    def border(self) -> Sides:
        """The sides in pixels."""
        return _sides(self.sides)
