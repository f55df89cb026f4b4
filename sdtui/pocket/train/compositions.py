"""Training pictures: one or two objects, their colours and places, a background and a style."""

import hashlib
import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from PIL import Image

from sdtui.pocket.train.colours import COLOURS, recolour
from sdtui.pocket.train.objects import THINGS, Thing
from sdtui.pocket.train.scenes import SCENES, draw_scene
from sdtui.pocket.train.styles import Style, style_object, style_picture

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


SPOTS: dict[Placing, tuple[Spot, ...]] = {
    Placing.NORMAL: (Spot(0.75),),
    Placing.LARGE: (Spot(0.97),),
    Placing.SMALL: (Spot(0.42),),
    Placing.LEFT: (Spot(0.5, x=0.27),),
    Placing.RIGHT: (Spot(0.5, x=0.73),),
    Placing.TOP: (Spot(0.5, y=0.27),),
    Placing.BOTTOM: (Spot(0.5, y=0.73),),
    Placing.PAIR: (Spot(0.46, x=0.26), Spot(0.46, x=0.74)),
    Placing.ON_TOP: (Spot(0.46, y=0.5, anchor=1), Spot(0.48, y=0.49, anchor=0)),
    Placing.IN_FRONT: (Spot(0.46, x=0.33, y=0.95, anchor=1), Spot(0.62, x=0.62, y=0.4)),
    Placing.EMPTY: (),
}
"""The first object of a caption has the first spot; it is drawn last, over the others."""
_SHARES: dict[Placing, float] = {
    Placing.NORMAL: 0.4,
    Placing.LARGE: 0.05,
    Placing.SMALL: 0.11,
    Placing.LEFT: 0.03,
    Placing.RIGHT: 0.03,
    Placing.TOP: 0.03,
    Placing.BOTTOM: 0.03,
    Placing.PAIR: 0.18,
    Placing.ON_TOP: 0.06,
    Placing.IN_FRONT: 0.06,
    Placing.EMPTY: 0.02,
}
_STYLE_SHARES: dict[Style, float] = {
    Style.RENDER: 0.84,
    Style.FLAT: 0.04,
    Style.OUTLINE: 0.04,
    Style.PIXEL: 0.04,
    Style.WATERCOLOUR: 0.04,
}
_COLOURED = 0.3
"""Share of objects with another colour, among those that can have one."""
_SCENES = 0.25
"""Share of scenes among the named backgrounds."""
_SHIFT = 3.0 / SIZE
_STRETCH = 0.05
_UNNAMED_BACKGROUND = 0.25
_LARGEST_TURN = 35.0
"""Degrees."""
_SIDES = (0.4, 1.0)
"""Longer side of an object relative to the picture."""


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

    def empty(self, size: int) -> Image.Image:
        """The background alone, as a new RGB picture."""
        if self.background in SCENES:
            return draw_scene(self.background, size).copy()
        colour = DEFAULT_BACKGROUND if self.background is None else BACKGROUNDS[self.background]
        return Image.new("RGB", (size, size), colour)


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


def render(
    composition: Composition,
    pictures: Mapping[str, Image.Image],
    rng: random.Random | None = None,
    size: int = SIZE,
    scale: float = 1.0,
) -> Image.Image:
    """Draw the RGB picture; with `rng`, positions and sizes vary by a few pixels."""
    canvas = composition.empty(size)
    spots = SPOTS[composition.placing]
    for (thing, colour), spot in reversed(list(zip(composition.coloured, spots, strict=True))):
        side, x, y = spot.side * scale, spot.x, spot.y
        if rng:
            x += rng.uniform(-_SHIFT, _SHIFT)
            y += rng.uniform(-_SHIFT, _SHIFT)
            side *= 1 + _STRETCH * rng.uniform(-1, 1)
        picture = pictures[thing.name]
        factor = side * size / max(picture.size)
        drawn = draw_object(picture, factor, colour, composition.style, size)
        place(canvas, drawn, replace(spot, x=x, y=y))
    return style_picture(canvas, composition.style)


def place(canvas: Image.Image, drawn: Image.Image, spot: Spot) -> None:
    """Draw an object (RGBA) of the right size on a square picture."""
    left = round(spot.x * canvas.width - drawn.width / 2)
    top = round(spot.y * canvas.height - drawn.height * spot.anchor)
    canvas.paste(drawn, (left, top), drawn)


def draw_object(
    picture: Image.Image, factor: float, colour: str | None, style: Style, size: int
) -> Image.Image:
    """One object (RGBA), scaled by `factor`, as it looks in a picture of `size` pixels."""
    width, height = (max(1, round(side * factor)) for side in picture.size)
    drawn = picture.resize((width, height), Image.Resampling.LANCZOS)
    if colour:
        drawn = recolour(drawn, colour)
    return style_object(drawn, style, size)


def render_anywhere(
    composition: Composition,
    pictures: Mapping[str, Image.Image],
    rng: random.Random,
    size: int = SIZE,
) -> Image.Image:
    """Draw objects with any size, place and turn that keep them in the picture."""
    canvas = composition.empty(size)
    for thing, colour in composition.coloured:
        turned = pictures[thing.name].rotate(
            rng.uniform(-_LARGEST_TURN, _LARGEST_TURN), Image.Resampling.BICUBIC, expand=True
        )
        side = rng.uniform(*_SIDES) * size / (1 if len(composition.things) == 1 else 2)
        factor = side / max(turned.size)
        drawn = draw_object(turned, factor, colour, composition.style, size)
        left, top = rng.randint(0, size - drawn.width), rng.randint(0, size - drawn.height)
        canvas.paste(drawn, (left, top), drawn)
    return style_picture(canvas, composition.style)
