"""Simple scenery behind objects, drawn from a few shapes."""

import random
from collections.abc import Callable
from functools import lru_cache
from math import pi, sin

from PIL import Image, ImageDraw

Point = tuple[float, float]
Colour = tuple[int, int, int]
_OVERSAMPLING = 3


class Canvas:
    """A picture whose coordinates run from 0 to 1."""

    def __init__(self, side: int) -> None:
        self.side = side
        self.image = Image.new("RGB", (side, side))
        self._draw = ImageDraw.Draw(self.image)

    def gradient(self, top: float, bottom: float, above: Colour, below: Colour) -> None:
        """Fill the rows from `top` to `bottom` with one colour that turns into another."""
        first, last = round(top * self.side), round(bottom * self.side)
        for row in range(first, last):
            share = (row - first) / max(1, last - first - 1)
            colour = tuple(round(a + (b - a) * share) for a, b in zip(above, below, strict=True))
            self._draw.line([(0, row), (self.side, row)], fill=colour)

    def shape(self, points: list[Point], colour: Colour) -> None:
        self._draw.polygon([(x * self.side, y * self.side) for x, y in points], fill=colour)

    def box(self, left: float, top: float, width: float, height: float, colour: Colour) -> None:
        right, bottom = left + width, top + height
        self.shape([(left, top), (right, top), (right, bottom), (left, bottom)], colour)

    def disc(self, x: float, y: float, radius: float, colour: Colour) -> None:
        left, top, right, bottom = x - radius, y - radius, x + radius, y + radius
        self._draw.ellipse([each * self.side for each in (left, top, right, bottom)], fill=colour)

    def hills(
        self, height: float, swing: float, waves: float, start: float, colour: Colour
    ) -> None:
        """Fill everything below a wavy line."""
        line = [(i / 60, height + swing * sin(waves * pi * i / 60 + start)) for i in range(61)]
        self.shape([*line, (1, 1), (0, 1)], colour)

    def cloud(self, x: float, y: float, size: float, colour: Colour = (255, 255, 255)) -> None:
        for right, up, radius in ((0, 0, 0.5), (0.5, 0.12, 0.38), (-0.5, 0.12, 0.36)):
            self.disc(x + right * size, y + up * size, radius * size, colour)

    def fir(self, x: float, foot: float, height: float, colour: Colour) -> None:
        for level in range(3):
            top, wide = foot - height * (1 - 0.24 * level), height * (0.16 + 0.07 * level)
            bottom = top + height * 0.5
            self.shape([(x, top), (x + wide, bottom), (x - wide, bottom)], colour)


def _beach(c: Canvas) -> None:
    c.gradient(0, 0.42, (95, 190, 245), (190, 230, 250))
    c.disc(0.82, 0.14, 0.08, (255, 222, 90))
    c.gradient(0.42, 0.7, (30, 130, 205), (70, 200, 215))
    c.hills(0.65, 0.02, 3, 0, (240, 250, 250))
    c.hills(0.68, 0.02, 3, 0, (240, 212, 150))


def _meadow(c: Canvas) -> None:
    c.gradient(0, 0.6, (110, 195, 250), (205, 235, 250))
    c.hills(0.56, 0.05, 2, 0.5, (125, 200, 90))
    c.hills(0.68, 0.04, 2, 3, (90, 175, 65))
    for x, y in ((0.1, 0.85), (0.3, 0.95), (0.88, 0.82), (0.7, 0.93), (0.95, 0.94)):
        c.disc(x, y, 0.018, (255, 240, 150))


def _night_sky(c: Canvas) -> None:
    c.gradient(0, 1, (10, 14, 50), (48, 46, 112))
    stars = random.Random(3)
    for _ in range(26):
        c.disc(stars.random(), stars.random(), stars.uniform(0.01, 0.02), (255, 250, 215))
    c.disc(0.83, 0.16, 0.1, (250, 236, 170))
    c.disc(0.79, 0.13, 0.085, (17, 21, 60))


def _sky(c: Canvas) -> None:
    c.gradient(0, 1, (70, 160, 240), (175, 222, 250))
    for x, y in ((0.17, 0.17), (0.84, 0.26), (0.15, 0.8), (0.8, 0.86)):
        c.cloud(x, y, 0.16)


def _snow(c: Canvas) -> None:
    c.gradient(0, 0.75, (150, 185, 220), (215, 230, 242))
    for x, height in ((0.08, 0.36), (0.24, 0.26), (0.92, 0.38), (0.77, 0.26)):
        c.fir(x, 0.68, height, (70, 115, 110))
    c.hills(0.64, 0.04, 2, 1, (244, 248, 252))
    flakes = random.Random(5)
    for _ in range(18):
        c.disc(flakes.random(), flakes.random() * 0.9, 0.02, (255, 255, 255))


def _desert(c: Canvas) -> None:
    c.gradient(0, 0.75, (250, 190, 110), (255, 228, 170))
    c.disc(0.2, 0.18, 0.09, (255, 246, 205))
    c.hills(0.58, 0.06, 2, 2, (226, 160, 84))
    c.hills(0.72, 0.05, 2.4, 0, (210, 138, 66))


def _sea(c: Canvas) -> None:
    c.gradient(0, 0.55, (120, 200, 248), (214, 238, 250))
    for level, colour in enumerate(((40, 120, 200), (32, 104, 185), (24, 88, 168), (18, 72, 150))):
        c.hills(0.45 + 0.14 * level, 0.02, 7, level * 1.7, colour)


def _underwater(c: Canvas) -> None:
    c.gradient(0, 1, (60, 190, 220), (10, 70, 140))
    c.hills(0.88, 0.03, 2, 0, (205, 190, 140))
    for x, height in ((0.07, 0.4), (0.15, 0.28), (0.9, 0.44), (0.83, 0.26)):
        for part in range(6):
            y = 0.92 - height * part / 6
            c.disc(x + 0.015 * (-1) ** part, y, 0.035, (40, 150, 100))
    for x, y, radius in ((0.2, 0.2, 0.03), (0.26, 0.1, 0.02), (0.8, 0.3, 0.03), (0.75, 0.16, 0.02)):
        c.disc(x, y, radius, (170, 228, 240))


def _forest(c: Canvas) -> None:
    c.gradient(0, 0.85, (175, 220, 190), (220, 240, 215))
    for number in range(8):
        c.fir(0.06 + 0.125 * number, 0.74, 0.5 + 0.1 * (number % 2), (92, 150, 110))
    for x in (0.02, 0.22, 0.79, 0.98):
        c.fir(x, 0.84, 0.8, (38, 100, 62))
    c.hills(0.78, 0.03, 2, 0, (98, 136, 66))


def _mountains(c: Canvas) -> None:
    c.gradient(0, 0.85, (130, 190, 240), (220, 236, 248))
    for x, top, wide, colour in (
        (0.2, 0.2, 0.4, (128, 140, 168)),
        (0.85, 0.14, 0.42, (112, 124, 154)),
        (0.52, 0.36, 0.36, (146, 156, 182)),
    ):
        c.shape([(x, top), (x + wide, 0.8), (x - wide, 0.8)], colour)
        cap = 0.13 * wide / 0.4
        snow = [(x, top), (x + cap, top + 0.2), (x, top + 0.15), (x - cap, top + 0.2)]
        c.shape(snow, (250, 252, 255))
    c.hills(0.76, 0.03, 2, 0, (100, 160, 90))


def _sunset(c: Canvas) -> None:
    c.gradient(0, 0.66, (96, 50, 130), (255, 150, 80))
    c.disc(0.5, 0.6, 0.2, (255, 226, 120))
    c.gradient(0.66, 1, (170, 70, 110), (60, 36, 96))
    for y, wide in ((0.71, 0.18), (0.77, 0.13), (0.84, 0.16), (0.91, 0.1)):
        c.box(0.5 - wide, y, 2 * wide, 0.02, (255, 190, 110))


def _city(c: Canvas) -> None:
    c.gradient(0, 0.85, (165, 205, 235), (232, 240, 246))
    for number, top in enumerate((0.42, 0.2, 0.5, 0.3, 0.46, 0.16, 0.4)):
        left, right = number / 7, (number + 1) / 7 - 0.01
        colour = ((112, 128, 158), (136, 150, 178), (94, 110, 144))[number % 3]
        c.box(left, top, right - left, 0.86 - top, colour)
        for floor in range(int((0.8 - top) / 0.15)):
            x, y = left + 0.045, top + 0.06 + 0.15 * floor
            c.box(x, y, 0.045, 0.06, (250, 226, 150))
    c.gradient(0.85, 1, (92, 96, 104), (74, 78, 86))


SCENES: dict[str, Callable[[Canvas], None]] = {
    "beach": _beach,
    "meadow": _meadow,
    "night sky": _night_sky,
    "sky": _sky,
    "snow": _snow,
    "desert": _desert,
    "sea": _sea,
    "underwater": _underwater,
    "forest": _forest,
    "mountains": _mountains,
    "sunset": _sunset,
    "city": _city,
}


@lru_cache(maxsize=64)
def draw_scene(name: str, size: int) -> Image.Image:
    """The scene as an RGB picture of size x size pixels, always the same; copy it to draw on it."""
    canvas = Canvas(size * _OVERSAMPLING)
    SCENES[name](canvas)
    return canvas.image.resize((size, size), Image.Resampling.BOX)
