"""Opening an init image and fitting it to the requested size."""

from __future__ import annotations

import hashlib
import io
import struct
import warnings
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageOps, UnidentifiedImageError

from sdtui.core.enums import InitImageFit
from sdtui.core.errors import ImageError

LARGEST_PIXELS = 100_000_000
"""Number of pixels; larger pictures are rejected before they are decoded."""

LARGEST_FILE = 256 * 2**20
"""Bytes."""


@dataclass(frozen=True)
class InitImage:
    """An init image, upright and in RGB."""

    image: Image.Image
    sha256: str
    """Of the encoded file."""


def open_init_image(path: Path) -> InitImage:
    """Open a picture of any size and mode. The EXIF orientation is applied, and transparency is
    composited over white.

    Raises ImageError if it is missing, not a picture, damaged, or too large to decode safely.
    """
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise ImageError(f"{path} is larger than {LARGEST_FILE >> 20} MB", "Take a smaller one")
        data = path.read_bytes()
    except OSError as error:
        problem = f"the init image {path} can't be read: {error.strerror or error}"
        raise ImageError(problem, "Check the path") from error
    return InitImage(_decode(path, data), hashlib.sha256(data).hexdigest())


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


def _decode(path: Path, data: bytes) -> Image.Image:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data)) as opened:
                if opened.width * opened.height > LARGEST_PIXELS:
                    raise ImageError(
                        f"{path} has {opened.width}×{opened.height} pixels, more than "
                        f"{LARGEST_PIXELS // 10**6} million",
                        "Take a smaller picture",
                    )
                opened.load()
                return _as_rgb(_upright(opened))
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise _unusable(path, "it is far too large for what a picture file should be") from error
    except UnidentifiedImageError as error:
        raise _unusable(path, "it is no picture of a known format") from error
    except (OSError, ValueError, SyntaxError, EOFError) as error:
        raise _unusable(path, f"it is damaged ({error})") from error


def _unusable(path: Path, problem: str) -> ImageError:
    return ImageError(f"the init image {path} can't be used: {problem}", "Take a PNG, JPEG or WebP")


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except (SyntaxError, ValueError, TypeError, AttributeError, KeyError, struct.error):
        return image  # what Pillow raises for damaged EXIF; the picture itself is whole


def _as_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16"):
        # Pillow clips 16-bit grey values instead of scaling them.
        image = image.convert("I").point(lambda value: value / 256).convert("L")
    if "A" in image.getbands() or "transparency" in image.info:
        layered = image.convert("RGBA")
        white = Image.new("RGBA", layered.size, "white")
        return Image.alpha_composite(white, layered).convert("RGB")
    return image.convert("RGB")
