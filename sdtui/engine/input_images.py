"""Fitting an init image to the requested size."""

from __future__ import annotations

from PIL import Image, ImageOps

from sdtui.core.enums import InitImageFit


def fit_image(image: Image.Image, width: int, height: int, fit: InitImageFit) -> Image.Image:
    """Fit a picture to width x height pixels: cropped about its centre, stretched, or padded with
    its own edge stretched and blurred (grey bars would show in the result)."""
    if fit is InitImageFit.STRETCH:
        return image.resize((width, height), Image.Resampling.LANCZOS)
    if fit is InitImageFit.CROP:
        return ImageOps.fit(image, (width, height), Image.Resampling.LANCZOS)
    inner = ImageOps.contain(image, (width, height), Image.Resampling.LANCZOS)
    # The bars show the centre crop, scaled down and up again to blur it.
    background = ImageOps.fit(image, (8, 8)).resize((width, height), Image.Resampling.BICUBIC)
    background.paste(inner, ((width - inner.width) // 2, (height - inner.height) // 2))
    return background
