"""Aspect buckets: the sizes that pictures are scaled and cropped to, so that those of a batch have
the same size.

The sizes are those of kohya's scripts (`make_bucket_resolutions` in library/model_util.py): sides
are multiples of a step, and the area is at most that of the resolution's square.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

_STEPS_IN_SIDE = 8
"""A bucket's sides differ by an eighth of the resolution: 64 pixels of 512, as kohya's."""
_LONGEST = 2
"""The longest side is this many times the resolution."""


@dataclass(frozen=True)
class Crop:
    """How a picture gets the size of its bucket."""

    scaled: tuple[int, int]
    """Width and height that it is scaled to, which cover the bucket."""
    left: int
    top: int
    """Where the bucket begins, in pixels of the scaled picture."""
    bucket: tuple[int, int]
    """Width and height of the bucket."""

    @property
    def box(self) -> tuple[int, int, int, int]:
        """Left, top, right and bottom of the bucket."""
        return self.left, self.top, self.left + self.bucket[0], self.top + self.bucket[1]


def bucket_sizes(resolution: int, multiple: int = 8) -> tuple[tuple[int, int], ...]:
    """Return the sizes (width, height) of all buckets for a resolution in pixels. `multiple` is
    that of the model's sizes."""
    step = max(multiple, resolution // _STEPS_IN_SIDE // multiple * multiple)
    area = resolution * resolution
    found = {(resolution, resolution)}
    width = max(step, resolution // 2 // step * step)
    while width <= resolution * _LONGEST:
        height = min(resolution * _LONGEST, area // width // step * step)
        if height >= step:
            found |= {(width, height), (height, width)}
        width += step
    return tuple(sorted(found))


def crop_to_bucket(size: tuple[int, int], buckets: tuple[tuple[int, int], ...]) -> Crop:
    """Return how a picture of a size gets that of the bucket whose shape is the most like its own;
    of several, the largest."""
    width, height = size
    shape = math.log(width / height)
    bucket = min(
        buckets, key=lambda each: (abs(math.log(each[0] / each[1]) - shape), -each[0] * each[1])
    )
    scale = max(bucket[0] / width, bucket[1] / height)
    scaled = max(bucket[0], round(width * scale)), max(bucket[1], round(height * scale))
    left, top = (scaled[0] - bucket[0]) // 2, (scaled[1] - bucket[1]) // 2
    return Crop(scaled, left, top, bucket)
