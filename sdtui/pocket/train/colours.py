"""Give an object another colour, with its shading, and leave its other parts as they are."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Floats = NDArray[np.float32]

COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (222, 45, 48),
    "orange": (248, 140, 36),
    "yellow": (252, 212, 60),
    "green": (60, 165, 70),
    "cyan": (64, 205, 215),
    "blue": (45, 100, 225),
    "purple": (130, 62, 185),
    "pink": (248, 140, 190),
    "brown": (130, 82, 48),
    "grey": (145, 148, 154),
    "black": (42, 42, 48),
    "white": (240, 240, 244),
}
"""The colours that an object may have; those of backgrounds are a little darker."""
_GREY = 0.05
"""Chroma in OkLab below which a pixel counts as grey."""
_HUE_BINS = 36
_TO_LMS = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ],
    dtype=np.float32,
)
_TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ],
    dtype=np.float32,
)


def oklab(rgb: Floats) -> Floats:
    """sRGB (..., 3) from 0 to 1 → OkLab: lightness 0 to 1, a and b (Ottosson, 2020)."""
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    lab: Floats = np.cbrt(linear @ _TO_LMS.T) @ _TO_LAB.T
    return lab


def from_oklab(lab: Floats) -> Floats:
    """The inverse of `oklab`; colours outside sRGB are clipped."""
    linear = ((lab @ np.linalg.inv(_TO_LAB).T) ** 3 @ np.linalg.inv(_TO_LMS).T).clip(0, 1)
    rgb: Floats = np.where(
        linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055
    ).astype(np.float32)
    return rgb


def main_part(lab: Floats, alpha: Floats) -> Floats:
    """How far each pixel (h, w) has the object's main colour, 0 to 1.

    That is the most frequent hue, or, for an object that is mostly grey, all greys but the darkest.
    """
    chroma = np.hypot(lab[..., 1], lab[..., 2])
    colourful = alpha * (chroma > _GREY)
    if colourful.sum() < 0.4 * alpha.sum():
        light = ((lab[..., 0] - 0.35) / 0.15).clip(0, 1)
        return np.asarray((chroma < 1.5 * _GREY) * light, dtype=np.float32)
    hue = np.arctan2(lab[..., 2], lab[..., 1])
    bins = ((hue / (2 * np.pi) + 0.5) * _HUE_BINS).astype(int) % _HUE_BINS
    counts = np.bincount(bins.ravel(), (colourful * chroma).ravel(), _HUE_BINS)
    counts = counts + np.roll(counts, 1) + np.roll(counts, -1)
    main = (counts.argmax() + 0.5) / _HUE_BINS * 2 * np.pi - np.pi
    distance = np.abs((hue - main + np.pi) % (2 * np.pi) - np.pi)
    near = ((1.0 - distance) / 0.4).clip(0, 1) * ((chroma - 0.02) / 0.03).clip(0, 1)
    return np.asarray(near, dtype=np.float32)


def recolour(picture: Image.Image, colour: str) -> Image.Image:
    """Give the main part of an RGBA picture the colour with this name in COLOURS."""
    values: Floats = np.asarray(picture, dtype=np.float32) / np.float32(255)
    lab, alpha = oklab(values[..., :3]), values[..., 3]
    part = main_part(lab, alpha)
    weight = part * alpha
    total = max(float(weight.sum()), 1e-6)
    target = oklab(np.array(COLOURS[colour], dtype=np.float32) / np.float32(255))
    lightness = float((lab[..., 0] * weight).sum()) / total
    chroma = np.hypot(lab[..., 1], lab[..., 2])
    mean_chroma = float((chroma * weight).sum()) / total
    coloured = mean_chroma > _GREY
    strength = (chroma / mean_chroma).clip(0.6, 1.3) if coloured else np.ones_like(chroma)
    changed = np.stack(
        [
            (target[0] + lab[..., 0] - lightness).clip(0.05, 1),
            target[1] * strength,
            target[2] * strength,
        ],
        axis=-1,
    )
    mixed = lab + part[..., None] * (changed - lab)
    rgba = np.concatenate([from_oklab(mixed.astype(np.float32)), values[..., 3:]], axis=-1)
    return Image.fromarray((rgba * 255).round().astype(np.uint8))
