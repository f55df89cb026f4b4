"""Draw people as OpenPose does: coloured limbs and joints on black (18 joints of COCO with a neck).

Order and colours: OpenPose, and the extension sd-webui-controlnet (annotator/openpose/util.py).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from PIL import Image, ImageDraw

Joint = tuple[float, float, float]
"""x, y in pixels and the score."""

_SURE = 0.3
_NECK = 1
_COCO = (0, 6, 8, 10, 5, 7, 9, 12, 14, 16, 11, 13, 15, 2, 1, 4, 3)
"""OpenPose's joints but the neck, as COCO numbers them."""
_PLACES = (0, *range(2, 18))
"""The numbers of these joints in OpenPose's order."""
_SHOULDERS = (5, 6)
_LIMBS = (
    *((1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10), (1, 11)),
    *((11, 12), (12, 13), (1, 0), (0, 14), (14, 16), (0, 15), (15, 17)),
)
_COLOURS = (
    *((255, 0, 0), (255, 85, 0), (255, 170, 0), (255, 255, 0), (170, 255, 0), (85, 255, 0)),
    *((0, 255, 0), (0, 255, 85), (0, 255, 170), (0, 255, 255), (0, 170, 255), (0, 85, 255)),
    *((0, 0, 255), (85, 0, 255), (170, 0, 255), (255, 0, 255), (255, 0, 170), (255, 0, 85)),
)
_LIMB_SHADE = 0.6


def draw_skeletons(size: tuple[int, int], people: Sequence[Mapping[int, Joint]]) -> Image.Image:
    """Return the picture of people, given the joints of each by COCO's numbers. Joints that aren't
    sure are left out."""
    image = Image.new("RGB", size)
    draw = ImageDraw.Draw(image)
    scale = max(1.0, min(size) / 512)
    for person in people:
        joints = _openpose_joints(person)
        for (first, second), colour in zip(_LIMBS, _COLOURS, strict=False):
            if first in joints and second in joints:
                shade = tuple(int(each * _LIMB_SHADE) for each in colour)
                draw.polygon(_ellipse(joints[first], joints[second], 4 * scale), fill=shade)
        for place, (x, y) in joints.items():
            radius = 4 * scale
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=_COLOURS[place])
    return image


def _openpose_joints(person: Mapping[int, Joint]) -> dict[int, tuple[float, float]]:
    sure = {number: (x, y) for number, (x, y, score) in person.items() if score >= _SURE}
    joints = {
        place: sure[number] for place, number in zip(_PLACES, _COCO, strict=True) if number in sure
    }
    if all(number in sure for number in _SHOULDERS):
        left, right = (sure[number] for number in _SHOULDERS)
        joints[_NECK] = ((left[0] + right[0]) / 2, (left[1] + right[1]) / 2)
    return joints


def _ellipse(
    first: tuple[float, float], second: tuple[float, float], width: float
) -> list[tuple[float, float]]:
    """Return the outline of an ellipse from one joint to another."""
    middle = ((first[0] + second[0]) / 2, (first[1] + second[1]) / 2)
    along = math.dist(first, second) / 2
    angle = math.atan2(second[1] - first[1], second[0] - first[0])
    points = []
    for degrees in range(0, 360, 10):
        x, y = along * math.cos(math.radians(degrees)), width * math.sin(math.radians(degrees))
        points.append(
            (
                middle[0] + x * math.cos(angle) - y * math.sin(angle),
                middle[1] + x * math.sin(angle) + y * math.cos(angle),
            )
        )
    return points
