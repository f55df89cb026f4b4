"""Recognise what a picture of the pocket model shows, by the nearest of rendered pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from sdtui.pocket.train.colours import COLOURS
from sdtui.pocket.train.compositions import (
    BACKGROUNDS,
    SIZE,
    SPOTS,
    Composition,
)
from sdtui.pocket.train.objects import THINGS, Thing
from sdtui.pocket.train.pixels import pixels
from sdtui.pocket.train.rendering import Canvas, draw_object, render
from sdtui.pocket.train.scenes import SCENES
from sdtui.pocket.train.styles import Style
from sdtui.pocket.train.vae import Autoencoder, decode, encode

_SIDE = 48
"""Side in pixels at which windows around objects are compared."""
_SHIFTS = (-8, -4, 0, 4, 8)
"""In pixels of the picture."""
_SIZES = (0.9, 1.0, 1.1)
_WINDOW = 1.08
"""Side of the window relative to that of the object's box."""

Pictures = Mapping[str, Image.Image]


def nearest_colour(picture: Image.Image) -> str:
    """The name of the background colour nearest to the edge of the picture."""
    rim = torch.ones(picture.height, picture.width, dtype=torch.bool)
    rim[2:-2, 2:-2] = False
    colour = pixels([picture])[0][:, rim].median(dim=1).values
    distances = {
        name: (colour - torch.tensor(named) / 127.5 + 1).square().sum().item()
        for name, named in BACKGROUNDS.items()
    }
    return min(distances, key=distances.__getitem__)


class Recogniser:
    """Compares drawn pictures (RGB, 128 x 128) with rendered ones that differ in one thing."""

    def __init__(
        self, pictures: Pictures, vae: Autoencoder, things: Sequence[Thing] = THINGS
    ) -> None:
        """`things` are the objects that it knows."""
        self.pictures = pictures
        self.vae = vae
        self.things = things
        self._sprites: dict[tuple[str, str | None, float], Image.Image] = {}

    def object(self, picture: Image.Image, composition: Composition, index: int) -> Thing:
        """Of all known objects, the one that in place of the composition's object `index` looks
        most like the picture: least squared error at the best of 25 shifts and 3 sizes."""
        box = window(composition, index)
        references = torch.stack(
            [
                _values(self._with(composition, index, thing, scale, box))
                for thing, scale in product(self.things, _SIZES)
            ]
        )
        left, top, right, bottom = box
        shifted = torch.stack(
            [
                _values(picture.crop((left + x, top + y, right + x, bottom + y)))
                for x, y in product(_SHIFTS, _SHIFTS)
            ]
        )
        distances = torch.cdist(references, shifted).amin(dim=1)
        return self.things[int(distances.view(-1, len(_SIZES)).amin(dim=1).argmin())]

    def colour(self, picture: Image.Image, composition: Composition) -> str:
        """The colour of the first object, of all in COLOURS."""
        others = {
            name: replace(composition, colours=(name, *composition.colours[1:])) for name in COLOURS
        }
        return self._nearest(picture, others)

    def background(self, picture: Image.Image, composition: Composition) -> str:
        """The background, of all scenes and plain colours."""
        names = (*SCENES, *BACKGROUNDS)
        others = {name: replace(composition, background=name) for name in names}
        return self._nearest(picture, others)

    def style(self, picture: Image.Image, composition: Composition) -> str:
        """The style, by the strength of edges too. The rendered pictures pass the autoencoder, as
        it softens some styles more than others."""
        rendered = [render(replace(composition, style=s), self.pictures).picture for s in Style]
        passed = decode(self.vae, encode(self.vae, rendered))
        drawn = _edges(picture)
        distances = [(_edges(each) - drawn).square().sum().item() for each in passed]
        return list(Style)[distances.index(min(distances))]

    def _nearest(self, picture: Image.Image, others: Mapping[str, Composition]) -> str:
        drawn = _values(picture)
        distances = {
            name: (_values(render(each, self.pictures).picture) - drawn).square().sum().item()
            for name, each in others.items()
        }
        return min(distances, key=distances.__getitem__)

    def _with(
        self,
        composition: Composition,
        index: int,
        thing: Thing,
        scale: float,
        box: tuple[int, int, int, int],
    ) -> Image.Image:
        """The part of the picture in `box` if the object `index` was `thing`, somewhat scaled."""
        things = list(composition.coloured)
        things[index] = (thing, things[index][1])
        canvas = Canvas(composition, SIZE)
        for number in reversed(range(len(things))):
            spot = SPOTS[composition.placing][number]
            each, colour = things[number]
            side = spot.side * (scale if number == index else 1)
            canvas.place(self._sprite(each, colour, side), number, spot)
        return canvas.picture.crop(box)

    def _sprite(self, thing: Thing, colour: str | None, side: float) -> Image.Image:
        key = (thing.name, colour, side)
        if key not in self._sprites:
            picture = self.pictures[thing.name]
            factor = side * SIZE / max(picture.size)
            self._sprites[key] = draw_object(picture, factor, colour, Style.RENDER, SIZE)
        return self._sprites[key]


def window(composition: Composition, index: int) -> tuple[int, int, int, int]:
    """The box around the object `index` in pixels: left, top, right, bottom."""
    spot = SPOTS[composition.placing][index]
    half = _WINDOW * spot.side / 2
    middle = spot.y + (0.5 - spot.anchor) * spot.side
    edges = (spot.x - half, middle - half, spot.x + half, middle + half)
    left, top, right, bottom = (round(SIZE * min(1.0, max(0.0, edge))) for edge in edges)
    return left, top, right, bottom


def _values(picture: Image.Image) -> Tensor:
    small = picture.resize((_SIDE, _SIDE), Image.Resampling.BOX)
    return pixels([small])[0].flatten()


def _edges(picture: Image.Image) -> Tensor:
    """The picture at a quarter of its size, and the strength of its edges there."""
    values = pixels([picture])
    across = (values[..., 1:, 1:] - values[..., 1:, :-1]).square()
    down = (values[..., 1:, 1:] - values[..., :-1, 1:]).square()
    strength = (across + down).sqrt()
    return torch.cat(
        [
            functional.adaptive_avg_pool2d(values, 32),
            3 * functional.adaptive_avg_pool2d(strength, 32),
        ]
    ).flatten()
