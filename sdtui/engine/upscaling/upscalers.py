"""Upscalers: finds upscalers, and keeps the model of the last one."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from sdtui.core.settings import Settings
from sdtui.core.upscaler_names import LANCZOS, built_in_name
from sdtui.engine.upscaling.memory import expected_bytes
from sdtui.engine.upscaling.model import UpscalerModel, load_upscaler
from sdtui.engine.upscaling.resampling import RESAMPLINGS
from sdtui.engine.upscaling.spandrel_import import check_spandrel
from sdtui.engine.upscaling.tiled import TiledUpscaling
from sdtui.engine.upscaling.tiles import SMALLEST_TILE
from sdtui.engine.upscaling.upscaler import Upscaler, UpscalingContext
from sdtui.models.hashing import file_hash
from sdtui.models.upscalers import find_upscaler_file

_MOST_TIMES = 3
"""How often a model is applied to reach a size, as in A1111 (modules/upscaler.py)."""

TILE_ON_ACCELERATOR = 512
TILE_ON_CPU = 256
"""Pixels of a side. On a CPU a tile takes seconds, and progress and cancelling wait for it."""


class Upscalers:
    """The upscalers of an engine. Not thread-safe."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._loaded: UpscalerModel | None = None

    def find(self, name: str | None, *, allow_files: bool = True) -> Upscaler:
        """Return an upscaler by its name, or by the path of its file if `allow_files`; None =
        Lanczos. Its model is loaded when it is used.

        Raises the errors of `find_upscaler_file`, and UnsupportedModelError if spandrel isn't
        installed.
        """
        built_in = built_in_name(name or LANCZOS)
        if built_in is not None:
            return RESAMPLINGS[built_in]
        file = find_upscaler_file(name or "", self._settings, allow_files=allow_files)
        check_spandrel()
        return ModelUpscaler(file.path.stem, file.path, self)

    def load(self, path: Path) -> UpscalerModel:
        """Load a model, unless it is loaded already. Raises the errors of `load_upscaler`."""
        if self._loaded is None or self._loaded.path != path:
            self.unload()
            self._loaded = load_upscaler(path)
        return self._loaded

    def unload(self) -> None:
        """Drop the model."""
        self._loaded = None


@dataclass(frozen=True)
class ModelUpscaler:
    """An upscaler with a model, which is loaded when it is used."""

    name: str
    path: Path
    upscalers: Upscalers = field(compare=False, repr=False)

    @property
    def scale(self) -> int:
        """The factor of the model, which is loaded for it."""
        return self.upscalers.load(self.path).scale

    @property
    def sha256(self) -> str:
        """The hash of its file. Raises OSError."""
        return file_hash(self.path)

    def upscale(
        self, image: Image.Image, width: int, height: int, context: UpscalingContext
    ) -> Image.Image:
        """Apply the model until the picture is as large as wanted, at most three times, then resize
        it with Lanczos; a picture that gets smaller is only resized. Transparency is resized
        alone."""
        if width < image.width and height < image.height:
            return RESAMPLINGS[LANCZOS].upscale(image, width, height, context)
        model = self.upscalers.load(self.path)
        opaque = image.convert(model.mode)
        with model.on_device(context.device):
            for number in range(_MOST_TIMES):
                is_large = opaque.width >= width and opaque.height >= height
                if number > 0 and (is_large or model.scale == 1):
                    break
                opaque = _enlarged(opaque, model, context)
        resized = RESAMPLINGS[LANCZOS].upscale(opaque, width, height, context)
        return _in_mode_of(image, resized)


def _enlarged(image: Image.Image, model: UpscalerModel, context: UpscalingContext) -> Image.Image:
    side = _largest_fitting_tile(image, model, context)
    multiple = model.multiple
    work = TiledUpscaling(model.apply, model.scale, side, multiple, model.can_split, context)
    pixels = np.asarray(image)
    result = work.run(pixels if pixels.ndim == 3 else pixels[..., None])
    return Image.fromarray(result if result.shape[2] > 1 else result[..., 0])


def _largest_fitting_tile(
    image: Image.Image, model: UpscalerModel, context: UpscalingContext
) -> int:
    """Return the side of the tiles that fit into the free memory, and report what they need."""
    side = TILE_ON_ACCELERATOR if context.device.is_accelerator else TILE_ON_CPU
    side = max(image.size) if model.prefers_whole else side
    per_pixel, weights = model.bytes_per_pixel(), model.weight_bytes
    free = context.device.memory().free
    while True:
        needed = expected_bytes(per_pixel, side, *image.size, model.scale, weights)
        smaller = side // 2 // 8 * 8
        if needed <= free or not model.can_split or smaller < SMALLEST_TILE:
            context.expect(needed)
            return side
        side = smaller


def _in_mode_of(image: Image.Image, enlarged: Image.Image) -> Image.Image:
    """Return an enlarged picture in the mode of the original, with its transparency."""
    if image.mode not in ("LA", "RGBA") or enlarged.mode == image.mode:
        return enlarged.convert(image.mode)
    alpha = image.getchannel("A").resize(enlarged.size, Image.Resampling.LANCZOS)
    result = enlarged.convert(image.mode)
    result.putalpha(alpha)
    return result
