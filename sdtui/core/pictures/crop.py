"""The part of a picture that is made anew where only the masked area is: A1111's arithmetic
(modules/masking.py)."""

from __future__ import annotations

Box = tuple[int, int, int, int]
"""Left, top, right and bottom in pixels, the last two exclusive."""


def padded(box: Box, padding: int, size: tuple[int, int]) -> Box:
    """Return a box that is larger by `padding` pixels on each side, within a picture of `size`."""
    left, top, right, bottom = box
    width, height = size
    return (
        max(left - padding, 0),
        max(top - padding, 0),
        min(right + padding, width),
        min(bottom + padding, height),
    )


def expanded(box: Box, target: tuple[int, int], size: tuple[int, int]) -> Box:
    """Return a box that is enlarged to the aspect ratio of `target`, width and height, as far as a
    picture of `size` allows. It stays in the middle where it can."""
    left, top, right, bottom = box
    width, height = size
    ratio = target[0] / target[1]
    if (right - left) / (bottom - top) > ratio:
        top, bottom = _grown(top, bottom, (right - left) / ratio, height)
    else:
        left, right = _grown(left, right, (bottom - top) * ratio, width)
    return left, top, right, bottom


def _grown(start: int, end: int, length: float, limit: int) -> tuple[int, int]:
    """Return a stretch of about `length` around another one, between 0 and `limit`."""
    more = int(length - (end - start))
    start -= more // 2
    end += more - more // 2
    if end >= limit:
        start -= end - limit
        end = limit
    if start < 0:
        end -= start
        start = 0
    return start, min(end, limit)
