"""Control maps: what a net gets of a control picture, in the size of a pass."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from PIL import Image

from sdtui.core.picture_entries import ControlEntry
from sdtui.core.pictures.control_maps import (
    control_map,
    fitted,
    is_arithmetic,
    resized,
    working_size,
)
from sdtui.core.pictures.preprocessors import DEFAULT_RESOLUTION, chosen_values

_MOST_KEPT = 16
"""Maps."""

Detect = Callable[[str, Image.Image], Image.Image]
"""Makes the map of a picture with a model, by the name of a preprocessor."""


@dataclass
class ControlMaps:
    """The maps that were made last: those that need a model take seconds."""

    _maps: OrderedDict[object, Image.Image] = field(default_factory=OrderedDict)

    def get(
        self,
        entry: ControlEntry,
        image: Image.Image,
        sha256: str,
        size: tuple[int, int],
        detect: Detect,
    ) -> Image.Image:
        """Return the map of a picture, RGB and of `size`. `sha256` is that of the picture."""
        values = chosen_values(entry.preprocessor, entry.low, entry.high)
        working = (entry.resolution, entry.pixel_perfect, entry.resize)
        key = (sha256, entry.preprocessor, values, working, size)
        if key not in self._maps:
            self._maps[key] = make_map(entry, image, size, detect)
        self._maps.move_to_end(key)
        while len(self._maps) > _MOST_KEPT:
            self._maps.popitem(last=False)
        return self._maps[key]


def make_map(
    entry: ControlEntry, image: Image.Image, size: tuple[int, int], detect: Detect
) -> Image.Image:
    """Return the map of a picture, RGB and of `size`."""
    if entry.preprocessor != "none":
        resolution = None if entry.pixel_perfect else (entry.resolution or DEFAULT_RESOLUTION)
        image = resized(image, working_size(image.size, size, resolution, entry.resize))
        if is_arithmetic(entry.preprocessor):
            image = control_map(image, entry.preprocessor, entry.low, entry.high)
        else:
            image = detect(entry.preprocessor, image)
    return fitted(image, size, entry.resize)


def as_tensor(image: Image.Image) -> torch.Tensor:
    """Return an RGB picture as 1 x 3 x H x W in float32, 0 to 1."""
    pixels = np.asarray(image, dtype=np.float32) / 255.0
    return torch.from_numpy(pixels.transpose(2, 0, 1)[None].copy())
