"""What tools draw into a mask: strokes, shapes and fills. Coordinates are pixels of the picture."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

Point = tuple[float, float]
Box = tuple[int, int, int, int]
"""Left, top, right and bottom, as Pillow takes them."""

MASKED, UNMASKED = 255, 0
_SOFT_SPACING = 0.1
"""Between two dabs of a soft stroke, as a part of the brush's diameter."""
_MOST_FILLED_PIXELS = 1_100_000
"""Larger pictures are filled on a smaller copy: what a fill visits one by one takes a second for
each million."""


def draw_stroke(
    mask: Image, start: Point, end: Point, diameter: int, *, is_soft: bool, value: int
) -> Box:
    """Draw a line with a round brush, without gaps. Returns the box that may have changed."""
    box = _box_around([start, end], diameter / 2 + 1, mask)
    if box[0] >= box[2] or box[1] >= box[3]:
        return box
    if is_soft and diameter > 2:
        _draw_soft(mask, start, end, diameter, value)
    else:
        _draw_hard(mask, start, end, diameter, value)
    return box


def _draw_hard(mask: Image, start: Point, end: Point, diameter: int, value: int) -> None:
    from PIL import ImageDraw

    draw = ImageDraw.Draw(mask)
    first, last = (_dab(point, diameter) for point in (start, end))
    for left, top in (first, last):
        draw.ellipse((left, top, left + diameter - 1, top + diameter - 1), fill=value)
    middle = (diameter - 1) / 2
    draw.line(
        [(left + middle, top + middle) for left, top in (first, last)], fill=value, width=diameter
    )


def _draw_soft(mask: Image, start: Point, end: Point, diameter: int, value: int) -> None:
    from PIL import ImageChops

    stamp = _soft_stamp(diameter)
    combine = ImageChops.lighter
    if value < MASKED:
        stamp, combine = ImageChops.invert(stamp), ImageChops.darker
    for point in _points_between(start, end, max(1.0, diameter * _SOFT_SPACING)):
        left, top = _dab(point, diameter)
        box = _clipped((left, top, left + diameter, top + diameter), mask)
        if box[0] < box[2] and box[1] < box[3]:
            part = (box[0] - left, box[1] - top, box[2] - left, box[3] - top)
            mask.paste(combine(mask.crop(box), stamp.crop(part)), box[:2])


def _dab(point: Point, diameter: int) -> tuple[int, int]:
    """Return the upper left pixel of a dab of the brush in the middle of a point."""
    return math.floor(point[0] - diameter / 2 + 0.5), math.floor(point[1] - diameter / 2 + 0.5)


@lru_cache(maxsize=8)
def _soft_stamp(diameter: int) -> Image:
    """Return a dab that is full within half of its radius, and falls to nothing at its edge."""
    from PIL import Image

    def strength(distance: int) -> int:
        outer = min(1.0, max(0.0, distance / 255 * 2 - 1))
        return round(MASKED * (0.5 + 0.5 * math.cos(math.pi * outer)))

    gradient = Image.radial_gradient("L").point([strength(value) for value in range(256)])
    return gradient.resize((diameter, diameter), Image.Resampling.BILINEAR)


def _points_between(start: Point, end: Point, spacing: float) -> Iterator[Point]:
    across, down = end[0] - start[0], end[1] - start[1]
    steps = max(1, math.ceil(math.hypot(across, down) / spacing))
    for step in range(steps + 1):
        yield start[0] + across * step / steps, start[1] + down * step / steps


def draw_rectangle(mask: Image, start: Point, end: Point, value: int) -> None:
    """Fill a rectangle with all pixels that it touches."""
    (left, right), (top, bottom) = (sorted(pair) for pair in zip(start, end, strict=True))
    box = _clipped(
        (math.floor(left), math.floor(top), math.floor(right) + 1, math.floor(bottom) + 1), mask
    )
    if box[0] < box[2] and box[1] < box[3]:
        mask.paste(value, box)


def draw_outline(mask: Image, points: Sequence[Point], value: int) -> None:
    """Fill what a closed line surrounds, the line included."""
    from PIL import ImageDraw

    pixels = [(math.floor(x), math.floor(y)) for x, y in points]
    draw = ImageDraw.Draw(mask)
    if len(pixels) > 2:
        draw.polygon(pixels, fill=value, outline=value)
    else:
        draw.line(pixels * 2, fill=value)


def fill(mask: Image, picture: Image, start: Point, tolerance: int, value: int) -> None:
    """Fill the connected pixels whose channels differ by no more than `tolerance` from those of the
    pixel at `start`. Holes of a pixel are closed."""
    from PIL import Image, ImageChops, ImageFilter

    x, y = (
        min(size - 1, max(0, math.floor(at))) for at, size in zip(start, picture.size, strict=True)
    )
    smaller = max(1, math.ceil(math.sqrt(picture.width * picture.height / _MOST_FILLED_PIXELS)))
    reduced = picture.reduce(smaller) if smaller > 1 else picture
    colour = picture.getpixel((x, y))
    differs = ImageChops.difference(reduced, Image.new("RGB", reduced.size, colour))
    red, green, blue = differs.split()
    most = ImageChops.lighter(ImageChops.lighter(red, green), blue)
    alike = most.point([1 if each <= tolerance else 0 for each in range(256)])
    at = (min(reduced.width - 1, x // smaller), min(reduced.height - 1, y // smaller))
    alike.putpixel(at, 1)
    found = _connected(alike, at)
    found = found.filter(ImageFilter.MaxFilter(3)).filter(ImageFilter.MinFilter(3))
    if smaller > 1:
        found = found.resize(
            (found.width * smaller, found.height * smaller), Image.Resampling.NEAREST
        ).crop((0, 0, *picture.size))
    mask.paste(value, (0, 0), found)


def _connected(alike: Image, start: tuple[int, int]) -> Image:
    """Return which ones of a picture of zeros and ones are connected with one of them, as 255. It
    goes through runs of ones, whose ends are found at the speed of C."""
    from PIL import Image

    width, height = alike.size
    data = alike.tobytes()
    rows = [bytearray(data[y * width : (y + 1) * width]) for y in range(height)]
    found = [bytearray(width) for _ in range(height)]
    waiting = [(start[1], start[0], start[0] + 1)]
    while waiting:
        y, first, last = waiting.pop()
        row = rows[y]
        x = row.find(1, first, last)
        while x >= 0:
            left = row.rfind(0, 0, x) + 1
            right = row.find(0, x)
            right = width if right < 0 else right
            row[left:right] = bytes(right - left)
            found[y][left:right] = b"\xff" * (right - left)
            waiting += [(each, left, right) for each in (y - 1, y + 1) if 0 <= each < height]
            x = row.find(1, right, last)
    return Image.frombytes("L", (width, height), b"".join(found))


def _box_around(points: Sequence[Point], margin: float, mask: Image) -> Box:
    xs, ys = zip(*points, strict=True)
    return _clipped(
        (
            math.floor(min(xs) - margin),
            math.floor(min(ys) - margin),
            math.ceil(max(xs) + margin) + 1,
            math.ceil(max(ys) + margin) + 1,
        ),
        mask,
    )


def _clipped(box: Box, mask: Image) -> Box:
    """Return the part of a box that is in the mask; it is empty if none is."""
    left, top = (min(max(0, at), size) for at, size in zip(box[:2], mask.size, strict=True))
    right, bottom = (min(max(0, at), size) for at, size in zip(box[2:], mask.size, strict=True))
    return left, top, max(left, right), max(top, bottom)
