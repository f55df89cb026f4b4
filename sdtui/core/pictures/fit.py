"""Fitting a picture to another size."""

from __future__ import annotations

from PIL import Image, ImageOps

from sdtui.core.enums import ImageFit


def fit_image(image: Image.Image, width: int, height: int, fit: ImageFit) -> Image.Image:
    """Fit a picture to width x height pixels: cropped about its centre, stretched, or padded with
    its own edge stretched and blurred (grey bars would show in the result)."""
    if fit is ImageFit.STRETCH:
        return image.resize((width, height), Image.Resampling.LANCZOS)
    if fit is ImageFit.CROP:
        return ImageOps.fit(image, (width, height), Image.Resampling.LANCZOS)
    inner = ImageOps.contain(image, (width, height), Image.Resampling.LANCZOS)
    # The bars show the centre crop, scaled down and up again to blur it.
    background = ImageOps.fit(image, (8, 8)).resize((width, height), Image.Resampling.BICUBIC)
    background.paste(inner, ((width - inner.width) // 2, (height - inner.height) // 2))
    return background


def fit_exactly(
    image: Image.Image, width: int, height: int, fit: ImageFit, multiple: int = 8
) -> Image.Image:
    """Fit a picture as `fit_image` does, but cut it without scaling where it is only too large by
    less than `multiple` pixels: what isn't repainted then stays exactly as it was."""
    wide, high = image.width - width, image.height - height
    if fit is ImageFit.CROP and 0 <= wide < multiple and 0 <= high < multiple:
        left, top = wide // 2, high // 2
        return image.crop((left, top, left + width, top + height))
    return fit_image(image, width, height, fit)


def fit_mask(mask: Image.Image, width: int, height: int, fit: ImageFit) -> Image.Image:
    """Fit a mask as `fit_exactly` does the picture that it belongs to. Bars are black, and nothing
    rings beyond the mask's edges, which Lanczos would do."""
    wide, high = mask.width - width, mask.height - height
    if fit is ImageFit.CROP and 0 <= wide < 8 and 0 <= high < 8:
        return fit_exactly(mask, width, height, fit)
    if fit is ImageFit.STRETCH:
        return mask.resize((width, height), Image.Resampling.BILINEAR)
    if fit is ImageFit.CROP:
        return ImageOps.fit(mask, (width, height), Image.Resampling.BILINEAR)
    return ImageOps.pad(mask, (width, height), Image.Resampling.BILINEAR, color=0)
