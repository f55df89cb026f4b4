"""Training pictures: one or two objects with a size and a position on a plain background."""

import hashlib
import random
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from PIL import Image

from sdtui.pocket.train.objects import THINGS, Thing

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


@dataclass(frozen=True)
class Spot:
    """The longer side and the centre of an object's box, relative to the picture (0 to 1)."""

    side: float
    x: float = 0.5
    y: float = 0.5


SPOTS: dict[Placing, tuple[Spot, ...]] = {
    Placing.NORMAL: (Spot(0.75),),
    Placing.LARGE: (Spot(0.97),),
    Placing.SMALL: (Spot(0.42),),
    Placing.LEFT: (Spot(0.5, x=0.27),),
    Placing.RIGHT: (Spot(0.5, x=0.73),),
    Placing.TOP: (Spot(0.5, y=0.27),),
    Placing.BOTTOM: (Spot(0.5, y=0.73),),
    Placing.PAIR: (Spot(0.46, x=0.26), Spot(0.46, x=0.74)),
}
_SHARES: dict[Placing, float] = {
    Placing.NORMAL: 0.66,
    Placing.LARGE: 0.07,
    Placing.SMALL: 0.05,
    Placing.LEFT: 0.03,
    Placing.RIGHT: 0.03,
    Placing.TOP: 0.02,
    Placing.BOTTOM: 0.02,
    Placing.PAIR: 0.12,
}
_SHIFT = 3.0 / SIZE
_STRETCH = 0.05
_UNNAMED_BACKGROUND = 0.3


@dataclass(frozen=True)
class Composition:
    """The content of a picture; `background` is a name in BACKGROUNDS, or None."""

    things: tuple[Thing, ...]
    background: str | None
    placing: Placing

    @property
    def held_out(self) -> bool:
        """True if this combination is excluded from training: about one in twelve, by hash."""
        if self.background is None:
            return False
        names = "+".join(thing.name for thing in self.things)
        digest = hashlib.sha256(f"{names}|{self.background}|{self.placing}".encode()).digest()
        return digest[0] % 12 == 0

    @property
    def colour(self) -> tuple[int, int, int]:
        return DEFAULT_BACKGROUND if self.background is None else BACKGROUNDS[self.background]


def draw_composition(rng: random.Random) -> Composition:
    """A random composition that is not held out."""
    while True:
        placing = rng.choices(tuple(_SHARES), tuple(_SHARES.values()))[0]
        named = rng.random() >= _UNNAMED_BACKGROUND
        composition = Composition(
            things=tuple(rng.sample(THINGS, len(SPOTS[placing]))),
            background=rng.choice(tuple(BACKGROUNDS)) if named else None,
            placing=placing,
        )
        if not composition.held_out:
            return composition


def render(
    composition: Composition,
    pictures: Mapping[str, Image.Image],
    rng: random.Random | None = None,
    size: int = SIZE,
    scale: float = 1.0,
) -> Image.Image:
    """Draw the RGB picture; with `rng`, positions and sizes vary by a few pixels."""
    canvas = Image.new("RGB", (size, size), composition.colour)
    for thing, spot in zip(composition.things, SPOTS[composition.placing], strict=True):
        shift_x, shift_y, stretch = (
            (rng.uniform(-_SHIFT, _SHIFT), rng.uniform(-_SHIFT, _SHIFT), rng.uniform(-1, 1))
            if rng
            else (0.0, 0.0, 0.0)
        )
        picture = pictures[thing.name]
        factor = scale * spot.side * (1 + _STRETCH * stretch) * size / max(picture.size)
        width, height = (max(1, round(side * factor)) for side in picture.size)
        drawn = picture.resize((width, height), Image.Resampling.LANCZOS)
        left = round((spot.x + shift_x) * size - width / 2)
        top = round((spot.y + shift_y) * size - height / 2)
        canvas.paste(drawn, (left, top), drawn)
    return canvas
