"""What a masked area holds before it is repainted."""

from __future__ import annotations

from PIL import Image, ImageFilter, ImageOps, ImageStat

_BLURS = ((256, 1), (64, 1), (16, 2), (4, 4), (2, 2), (0, 1))
"""Radius of each blur in pixels, and how often it is laid over the coarser ones."""


def filled(image: Image.Image, mask: Image.Image) -> Image.Image:
    """Fill the masked area of an RGB picture with the blurred colours around it, as A1111 does
    (modules/masking.py); with the mean colour of the picture if all of it is masked."""
    kept = ImageOps.invert(mask)
    if kept.getbbox() is None:
        mean = tuple(round(each) for each in ImageStat.Stat(image).mean)
        return Image.new("RGB", image.size, mean)
    rest = Image.new("RGBa", image.size)
    rest.paste(image.convert("RGBA").convert("RGBa"), mask=kept)
    result = Image.new("RGBA", image.size)
    for radius, times in _BLURS:
        layer = rest.filter(ImageFilter.GaussianBlur(radius)).convert("RGBA")
        for _ in range(times):
            result.alpha_composite(layer)
    # Where even the widest blur reaches nothing, its alpha is 0.
    mean = tuple(round(each) for each in ImageStat.Stat(image, mask=kept).mean)
    return Image.alpha_composite(Image.new("RGBA", image.size, (*mean, 255)), result).convert("RGB")
