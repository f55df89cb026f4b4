"""What training pictures show: objects, their colours and places, a background and a style."""

import hashlib
import random
from dataclasses import dataclass
from enum import StrEnum

from sdtui.pocket.train.colours import COLOURS
from sdtui.pocket.train.objects import THINGS, Thing
from sdtui.pocket.train.scenes import SCENES
from sdtui.pocket.train.styles import Style

SIZE = 128
"""Width and height of a training picture in pixels."""

BACKGROUNDS: dict[str, tuple[int, int, int]] = {
    "red": (214, 48, 49),
    "orange": (245, 140, 40),
    "yellow": (250, 214, 70),
    "green": (66, 160, 71),
    "cyan": (70, 205, 215),
    "blue": (45, 95, 215),
    "purple": (125, 60, 175),
    "pink": (245, 145, 190),
    "brown": (120, 80, 50),
    "grey": (130, 134, 140),
    "black": (18, 18, 22),
    "white": (255, 255, 255),
}
DEFAULT_BACKGROUND = (226, 231, 238)
"""The background if the caption names none: a soft, cool white."""


class Placing(StrEnum):
    NORMAL = "normal"
    LARGE = "large"
    SMALL = "small"
    LEFT = "left"
    RIGHT = "right"
    TOP = "top"
    BOTTOM = "bottom"
    PAIR = "pair"
    ON_TOP = "on top"
    IN_FRONT = "in front"
    EMPTY = "empty"


@dataclass(frozen=True)
class Spot:
    """The longer side of an object's box and a point of the box, relative to the picture (0 to 1).

    The point lies on the middle line: at the top of the box if `anchor` is 0, at the bottom if 1.
    """

    side: float
    x: float = 0.5
    y: float = 0.5
    anchor: float = 0.5


_USUAL, _SMALL = 0.75, 0.46
"""Sides of an object alone in the picture, and of one that leaves half of it to something else."""
SPOTS: dict[Placing, tuple[Spot, ...]] = {
    Placing.NORMAL: (Spot(_USUAL),),
    Placing.LARGE: (Spot(0.97),),
    Placing.SMALL: (Spot(_SMALL),),
    Placing.LEFT: (Spot(_SMALL, x=0.25),),
    Placing.RIGHT: (Spot(_SMALL, x=0.75),),
    Placing.TOP: (Spot(_SMALL, y=0.25),),
    Placing.BOTTOM: (Spot(_SMALL, y=0.75),),
    Placing.PAIR: (Spot(_SMALL, x=0.25), Spot(_SMALL, x=0.75)),
    Placing.ON_TOP: (Spot(_SMALL, y=0.5, anchor=1), Spot(_SMALL, y=0.5, anchor=0)),
    Placing.IN_FRONT: (Spot(_SMALL, x=0.25, y=0.75), Spot(_USUAL, x=0.625, y=0.375)),
    Placing.EMPTY: (),
}
"""The first object of a caption has the first spot; it is drawn last, over the others.

Sizes are few, and spots are whole latent cells (1/16) apart: an object then has the same latents at
each of them, and what a convolution learns at one spot it knows at the others.
"""
_SHARES: dict[Placing, float] = {
    Placing.NORMAL: 0.46,
    Placing.LARGE: 0.03,
    Placing.SMALL: 0.08,
    Placing.LEFT: 0.03,
    Placing.RIGHT: 0.03,
    Placing.TOP: 0.03,
    Placing.BOTTOM: 0.03,
    Placing.PAIR: 0.19,
    Placing.ON_TOP: 0.05,
    Placing.IN_FRONT: 0.05,
    Placing.EMPTY: 0.02,
}
_STYLE_SHARES: dict[Style, float] = {
    Style.RENDER: 0.76,
    Style.FLAT: 0.06,
    Style.OUTLINE: 0.06,
    Style.PIXEL: 0.06,
    Style.WATERCOLOUR: 0.06,
}
_COLOURED = 0.3
"""Share of objects with another colour, among those that can have one."""
_SCENES = 0.25
"""Share of scenes among the named backgrounds."""
_UNNAMED_BACKGROUND = 0.25


@dataclass(frozen=True)
class Composition:
    """The content of a picture; `background` is a name in BACKGROUNDS or SCENES, or None."""

    things: tuple[Thing, ...]
    background: str | None
    placing: Placing
    colours: tuple[str | None, ...] = ()
    """A name in COLOURS for each object, or None for its own colour; empty: all have their own."""
    style: Style = Style.RENDER

    @property
    def coloured(self) -> tuple[tuple[Thing, str | None], ...]:
        """The objects and their colours."""
        colours = self.colours or (None,) * len(self.things)
        return tuple(zip(self.things, colours, strict=True))

    @property
    def held_out(self) -> bool:
        """True if this combination is excluded from training: about one in twelve, by hash."""
        if self.background is None or not self.things:
            return False
        names = "+".join(
            f"{colour} {thing.name}" if colour else thing.name for thing, colour in self.coloured
        )
        parts = [names, self.background, self.placing]
        if self.style is not Style.RENDER:
            parts.append(self.style)
        return hashlib.sha256("|".join(parts).encode()).digest()[0] % 12 == 0


def draw_composition(rng: random.Random) -> Composition:
    """A random composition that is not held out."""
    while True:
        placing = rng.choices(tuple(_SHARES), tuple(_SHARES.values()))[0]
        things = tuple(rng.sample(THINGS, len(SPOTS[placing])))
        colours = tuple(
            rng.choice(tuple(COLOURS)) if thing.recolourable and rng.random() < _COLOURED else None
            for thing in things
        )
        composition = Composition(
            things,
            _draw_background(rng, named=not things),
            placing,
            colours if any(colours) else (),
            rng.choices(tuple(_STYLE_SHARES), tuple(_STYLE_SHARES.values()))[0],
        )
        if not composition.held_out:
            return composition


def _draw_background(rng: random.Random, *, named: bool) -> str | None:
    if not named and rng.random() < _UNNAMED_BACKGROUND:
        return None
    return rng.choice(tuple(SCENES) if rng.random() < _SCENES else tuple(BACKGROUNDS))
