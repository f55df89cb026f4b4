"""Draw compositions."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace

from PIL import Image

from sdtui.pocket.train.colours import recolour
from sdtui.pocket.train.compositions import (
    BACKGROUNDS,
    DEFAULT_BACKGROUND,
    SIZE,
    SPOTS,
    Composition,
    Spot,
)
from sdtui.pocket.train.scenes import SCENES, draw_scene
from sdtui.pocket.train.styles import Style, style_object, style_picture

_SHIFT = 3.0 / SIZE
_STRETCH = 0.05
_LARGEST_TURN = 35.0
"""Degrees."""
_SIDES = (0.4, 1.0)
"""Longer side of an object relative to the picture."""


@dataclass(frozen=True)
class Drawing:
    picture: Image.Image
    """RGB."""
    owners: Image.Image
    """Which object each pixel shows: 1 for the first, 2 for the second, 0 for none."""


class Canvas:
    """A square picture while objects (RGBA, of the right size) are drawn on its background."""

    def __init__(self, composition: Composition, size: int) -> None:
        self.composition = composition
        self.picture = background(composition.background, size)
        self.owners = Image.new("L", (size, size))

    def place(self, drawn: Image.Image, number: int, spot: Spot) -> None:
        """Draw the object `number` (0 or 1) on a spot."""
        side = self.picture.width
        left = round(spot.x * side - drawn.width / 2)
        top = round(spot.y * side - drawn.height * spot.anchor)
        self.paste(drawn, number, (left, top))

    def paste(self, drawn: Image.Image, number: int, corner: tuple[int, int]) -> None:
        """Draw the object `number` (0 or 1) with its left upper corner there."""
        self.picture.paste(drawn, corner, drawn)
        solid = drawn.getchannel("A").point([0] * 128 + [255] * 128)
        self.owners.paste(number + 1, corner, solid)

    def finished(self) -> Drawing:
        """The picture in its style."""
        return Drawing(style_picture(self.picture, self.composition.style), self.owners)


def background(name: str | None, size: int) -> Image.Image:
    """The background with a name in BACKGROUNDS or SCENES alone, as a new RGB picture."""
    if name in SCENES:
        return draw_scene(name, size).copy()
    colour = DEFAULT_BACKGROUND if name is None else BACKGROUNDS[name]
    return Image.new("RGB", (size, size), colour)


def render(
    composition: Composition,
    pictures: Mapping[str, Image.Image],
    rng: random.Random | None = None,
    size: int = SIZE,
    share: float = 1.0,
) -> Drawing:
    """Draw every object on its spot; with `rng`, positions and sizes vary by a few pixels. The
    composition takes a `share` of the sides, in the middle; around it is background."""
    canvas = Canvas(composition, size)
    for number in reversed(range(len(composition.things))):
        thing, colour = composition.coloured[number]
        spot = _within(SPOTS[composition.placing][number], share)
        if rng:
            spot = _varied(spot, rng)
        picture = pictures[thing.name]
        factor = spot.side * size / max(picture.size)
        drawn = draw_object(picture, factor, colour, composition.style, size)
        canvas.place(drawn, number, spot)
    return canvas.finished()


def render_shape(
    composition: Composition,
    pictures: Mapping[str, Image.Image],
    rng: random.Random | None,
    size: tuple[int, int],
) -> Drawing:
    """Draw a composition in the middle of a picture of another shape; `size` is width and height in
    pixels."""
    side = max(size)
    drawing = render(composition, pictures, rng, side, min(size) / side)
    left, top = ((side - each) // 2 for each in size)
    box = (left, top, left + size[0], top + size[1])
    return Drawing(drawing.picture.crop(box), drawing.owners.crop(box))


def _within(spot: Spot, share: float) -> Spot:
    """The spot in the middle `share` of the sides."""
    x, y = (0.5 + (place - 0.5) * share for place in (spot.x, spot.y))
    return replace(spot, side=spot.side * share, x=x, y=y)


def _varied(spot: Spot, rng: random.Random) -> Spot:
    return replace(
        spot,
        x=spot.x + rng.uniform(-_SHIFT, _SHIFT),
        y=spot.y + rng.uniform(-_SHIFT, _SHIFT),
        side=spot.side * (1 + _STRETCH * rng.uniform(-1, 1)),
    )


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
) -> Drawing:
    """Draw objects with any size, place and turn that keep them in the picture."""
    canvas = Canvas(composition, size)
    for number, (thing, colour) in enumerate(composition.coloured):
        turned = pictures[thing.name].rotate(
            rng.uniform(-_LARGEST_TURN, _LARGEST_TURN), Image.Resampling.BICUBIC, expand=True
        )
        side = rng.uniform(*_SIDES) * size / (1 if len(composition.things) == 1 else 2)
        factor = side / max(turned.size)
        drawn = draw_object(turned, factor, colour, composition.style, size)
        left, top = rng.randint(0, size - drawn.width), rng.randint(0, size - drawn.height)
        canvas.paste(drawn, number, (left, top))
    return canvas.finished()
