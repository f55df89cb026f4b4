"""Control maps of pictures by arithmetic alone. Formulas and constants are those of A1111's
extension sd-webui-controlnet (annotator/ and scripts/processor.py)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from PIL import Image, ImageOps

from sdtui.core.enums import ImageFit
from sdtui.core.pictures.canny import canny
from sdtui.core.pictures.gaussian import gaussian_blur
from sdtui.core.pictures.preprocessors import chosen_values

LARGEST_WORKING_SIDE = 4096
"""Pixels of the longer side that a preprocessor works at: with pictures of extreme shapes, the
shorter one has less than its resolution."""
_FEW_COLOURS = 16
"""A map with no more is enlarged without new ones."""


def control_map(
    image: Image.Image, name: str, low: float | None, high: float | None
) -> Image.Image:
    """Return the control map of a picture, RGB and of its size. `low` and `high` are the values of
    the preprocessor `name`, which needs no model; None and what is out of its limits = its own."""
    return _MAPS[name](image.convert("RGB"), *chosen_values(name, low, high))


def is_arithmetic(name: str) -> bool:
    """True if a preprocessor needs no model."""
    return name in _MAPS


def working_size(
    size: tuple[int, int], target: tuple[int, int], resolution: int | None, fit: ImageFit
) -> tuple[int, int]:
    """Return the size that a preprocessor works at: `resolution` pixels on the shorter side, or,
    if that is None, as many as the picture of `target` size will show of it."""
    if resolution is None:
        ratios = [wanted / has for wanted, has in zip(target, size, strict=True)]
        scale = min(ratios) if fit is ImageFit.PAD else max(ratios)
    else:
        scale = resolution / min(size)
    scale = min(scale, LARGEST_WORKING_SIDE / max(size))
    width, height = (max(1, round(side * scale)) for side in size)
    return width, height


def resized(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Return a picture in another size: smoothly, or without new colours where it has few."""
    if image.size == size:
        return image
    is_larger = size[0] > image.width
    if is_larger and image.getcolors(_FEW_COLOURS) is not None:
        return image.resize(size, Image.Resampling.NEAREST)
    return image.resize(size, Image.Resampling.LANCZOS)


def fitted(image: Image.Image, size: tuple[int, int], fit: ImageFit) -> Image.Image:
    """Return a control map of the size of the picture to be made: cropped about its centre,
    stretched, or with borders in the median of its edge."""
    if image.size == size or fit is ImageFit.STRETCH:
        return resized(image, size)
    ratios = [wanted / has for wanted, has in zip(size, image.size, strict=True)]
    scale = max(ratios) if fit is ImageFit.CROP else min(ratios)
    whole = resized(image, (round(image.width * scale), round(image.height * scale)))
    left, top = ((wanted - has) // 2 for wanted, has in zip(size, whole.size, strict=True))
    canvas = Image.new("RGB", size, _edge_colour(image))
    canvas.paste(whole, (left, top))
    return canvas


def _edge_colour(image: Image.Image) -> tuple[int, int, int]:
    pixels = np.asarray(image.convert("RGB"))
    edges = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    red, green, blue = (int(each) for each in np.median(edges, axis=0))
    return red, green, blue


def _canny(image: Image.Image, low: float, high: float) -> Image.Image:
    return Image.fromarray(canny(np.asarray(image), low, high)).convert("RGB")


def _tile(image: Image.Image, factor: float, _: float) -> Image.Image:
    small = (max(1, int(image.width / factor)), max(1, int(image.height / factor)))
    return image.resize(small, Image.Resampling.BOX).resize(image.size, Image.Resampling.BICUBIC)


def _blur(image: Image.Image, radius: float, _: float) -> Image.Image:
    blurred = gaussian_blur(np.asarray(image, dtype=np.float32), radius)
    return Image.fromarray(blurred.round().clip(0, 255).astype(np.uint8))


def _threshold(image: Image.Image, threshold: float, _: float) -> Image.Image:
    is_bright = np.asarray(image).min(axis=2) > threshold
    return Image.fromarray(is_bright.astype(np.uint8) * 255).convert("RGB")


def _scribble(image: Image.Image, threshold: float, _: float) -> Image.Image:
    """Difference of Gaussians of 0.5 and 5 pixels."""
    pixels = np.asarray(image, dtype=np.float32)
    difference = gaussian_blur(pixels, 5.0) - gaussian_blur(pixels, 0.5)
    darkness = (255 - difference.min(axis=2)).clip(0, 255).astype(np.uint8)
    is_line = 2 * (255 - darkness.astype(np.int64)) > threshold
    return Image.fromarray(is_line.astype(np.uint8) * 255).convert("RGB")


def _lineart(image: Image.Image, _: float, __: float) -> Image.Image:
    """What is darker than its surroundings within 6 pixels, scaled by the median of the lines."""
    pixels = np.asarray(image, dtype=np.float32)
    intensity = (gaussian_blur(pixels, 6.0) - pixels).min(axis=2).clip(0, 255)
    lines = intensity[intensity > 8]
    scale = max(16.0, float(np.median(lines)) if lines.size else 16.0)
    return Image.fromarray((intensity / scale * 127).clip(0, 255).astype(np.uint8)).convert("RGB")


_MAPS: Mapping[str, Callable[[Image.Image, float, float], Image.Image]] = {
    "none": lambda image, _, __: image,
    "canny": _canny,
    "tile": _tile,
    "blur": _blur,
    "grey": lambda image, _, __: image.convert("L").convert("RGB"),
    "invert": lambda image, _, __: ImageOps.invert(image),
    "threshold": _threshold,
    "scribble": _scribble,
    "lineart": _lineart,
}
