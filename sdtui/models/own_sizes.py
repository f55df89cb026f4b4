"""Pipelines that make pictures in sizes of their own, whatever size is asked for.

Sources: the calls of these pipelines in diffusers 0.42.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

Size = tuple[int, int]
"""Width and height in pixels."""

_HIDREAM_MULTIPLE = 16
_KANDINSKY5: tuple[Size, ...] = (
    *((1024, 1024), (640, 1408), (1408, 640), (768, 1280)),
    *((1280, 768), (896, 1152), (1152, 896)),
)
_CASCADE_PIXELS, _CASCADE_SCALE, _CASCADE_FACTOR = 42.67, 10.67, 4
"""Pixels for each latent of Stable Cascade's prior, latents of its decoder for each of those, and
pixels for each of these."""
_MOST_ROUNDS = 8


def own_size(pipeline_class: str, size: Size, area: int) -> Size:
    """Return the size of the pictures that a pipeline makes where `size` is asked for; `area` is
    that of its native size, in pixels."""
    find = OWN_SIZES.get(pipeline_class)
    if find is None:
        return size
    # What is found is asked of the pipeline, which must not replace it once more.
    for _ in range(_MOST_ROUNDS):
        before, size = size, find(size, area)
        if size == before:
            break
    return size


def _hidream(size: Size, area: int) -> Size:
    """The same shape with about the native area."""
    scale = math.sqrt(area / math.prod(size))
    width, height = (int(side * scale // _HIDREAM_MULTIPLE) * _HIDREAM_MULTIPLE for side in size)
    return width, height


def _kandinsky5(size: Size, _: int) -> Size:
    """The size in the list whose shape comes nearest."""
    if size in _KANDINSKY5:
        return size
    return min(_KANDINSKY5, key=lambda each: abs(each[0] / each[1] - size[0] / size[1]))


def _stable_cascade(size: Size, _: int) -> Size:
    width, height = (
        int(math.ceil(side / _CASCADE_PIXELS) * _CASCADE_SCALE) * _CASCADE_FACTOR for side in size
    )
    return width, height


OWN_SIZES: Mapping[str, Callable[[Size, int], Size]] = {
    "HiDreamImagePipeline": _hidream,
    "Kandinsky5T2IPipeline": _kandinsky5,
    "StableCascadeCombinedPipeline": _stable_cascade,
}
