"""Opening input images and masks, with a reason if one can't be used. Needs no torch, so that
interfaces can check a picture before its job is queued."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import stat
import struct
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from sdtui.core.errors import ImageError
from sdtui.core.pictures.masks import alpha_of, inverted, mask_in
from sdtui.requests.request import REQUEST_FIELDS, GenerationRequest

LARGEST_PIXELS = 100_000_000
"""Number of pixels; larger pictures are rejected before they are decoded."""

LARGEST_SIDE = 65_535
"""Pixels, the most that JPEG can have. To shrink a picture of one row of millions of pixels takes
seconds and gigabytes."""

LARGEST_FILE = 256 * 2**20
"""Bytes."""

_PNG_SIGNATURE_BYTES = 8

_ON_THEIR_SIDE = (5, 6, 7, 8)
"""EXIF orientations of pictures that are turned by a quarter."""

_DAMAGED_EXIF = (SyntaxError, ValueError, TypeError, AttributeError, KeyError, struct.error)
"""What Pillow raises for damaged EXIF; the picture itself is whole."""

_Conversion = Callable[[Image.Image], Image.Image]


@dataclass(frozen=True)
class InitImage:
    """An input picture, upright."""

    image: Image.Image
    sha256: str
    """Of the encoded file."""


@dataclass(frozen=True)
class OpenedMask:
    """A mask, upright, in mode L: 255 = repainted, 0 = kept."""

    image: Image.Image
    sha256: str
    """Of the encoded file."""


def open_init_image(path: Path, kind: str = "init image") -> InitImage:
    """Open a picture of any size and mode in RGB, which messages call `kind`. The EXIF orientation
    is applied, and transparency is composited over white.

    Raises ImageError if it is missing, no regular file, not a picture, damaged, or too large to
    decode safely.
    """
    return InitImage(*_open(path, kind, _as_rgb))


def size_of_picture(path: Path) -> tuple[int, int]:
    """Return width and height of a picture as it is upright, without decoding it. Raises
    ImageError."""
    try:
        with warnings.catch_warnings(), open(path, "rb", opener=_without_waiting) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise _unusable(path, "picture", "it is no regular file")
            warnings.simplefilter("ignore")
            with Image.open(file) as opened:
                width, height = opened.size
                is_turned = _is_on_its_side(opened, file)
                return (height, width) if is_turned else (width, height)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise _unusable(path, "picture", "its size can't be read") from error


def _is_on_its_side(image: Image.Image, file: BinaryIO) -> bool:
    # Of a PNG, Pillow would decode all pixels to find tags behind them.
    is_read = image.format == "PNG" and not _has_tags_behind_pixels(file)
    tags = Image.Image.getexif if is_read else type(image).getexif
    try:
        return tags(image).get(ExifTags.Base.Orientation) in _ON_THEIR_SIDE
    except _DAMAGED_EXIF:
        return False


def _has_tags_behind_pixels(png: BinaryIO) -> bool:
    """True if other chunks than the last follow the pixels. The file's position stays."""
    before, position = png.tell(), _PNG_SIGNATURE_BYTES
    has_pixels = is_behind = False
    while not is_behind:
        png.seek(position)
        head = png.read(8)
        kind = head[4:]
        if len(head) < 8 or kind == b"IEND":
            break
        is_behind = has_pixels and kind != b"IDAT"
        has_pixels = has_pixels or kind == b"IDAT"
        position += int.from_bytes(head[:4], "big") + 12  # length, kind, data, checksum
    png.seek(before)
    return is_behind


def check_input_images(request: GenerationRequest) -> None:
    """Open every picture that a request names. Raises ImageError."""
    for name, path in request.input_images().items():
        label = REQUEST_FIELDS[name.partition(".")[0]].spec.label
        open_init_image(path, label.lower() if name in REQUEST_FIELDS else "picture")


def open_picture(path: Path) -> InitImage:
    """Open a picture like `open_init_image`, but in L, LA, RGB or RGBA: grey stays grey, and
    transparency stays."""
    return InitImage(*_open(path, "picture", _with_alpha))


def open_mask(path: Path) -> OpenedMask:
    """Open a mask of any size and mode, see `mask_in`. Raises ImageError, as `open_init_image`
    does."""
    return OpenedMask(*_open(path, "mask", mask_in))


def open_transparency(path: Path) -> OpenedMask:
    """Open an init image as the mask of its transparent area. Raises ImageError, also if nothing is
    transparent."""
    alpha, sha256 = _open(path, "init image", _alpha)
    if alpha.getextrema() == (255, 255):
        raise ImageError(
            f"nothing in {path} is transparent, so there is nothing to repaint",
            "Erase what should change, or give a mask",
        )
    return OpenedMask(inverted(alpha), sha256)


def picture_in_bytes(picture: bytes) -> Image.Image:
    """Return an encoded picture as `open_init_image` does. Raises ImageError."""
    return _decode(Path("that was sent"), picture, "picture", _as_rgb)


def mask_in_bytes(picture: bytes) -> Image.Image:
    """Return the mask that an encoded picture holds, see `mask_in`. Raises ImageError."""
    return _decode(Path("that was sent"), picture, "mask", mask_in)


def transparency_in(picture: bytes) -> Image.Image:
    """Return the mask of the transparent area of an encoded picture. Raises ImageError."""
    return inverted(_decode(Path("with a mask"), picture, "file", _alpha))


def _alpha(image: Image.Image) -> Image.Image:
    return alpha_of(image) or Image.new("L", image.size, 255)


def _open(path: Path, kind: str, convert: _Conversion) -> tuple[Image.Image, str]:
    """Return what `convert` makes of a picture that is upright and in its own mode, and the hash of
    its file. `kind` names it in messages."""
    data = _read_file(path, kind)
    return _decode(path, data, kind, convert), hashlib.sha256(data).hexdigest()


def _without_waiting(name: str, flags: int) -> int:
    """Open a file for `open`, which closes it in any case, without waiting for a pipe's writer."""
    return os.open(name, flags | getattr(os, "O_NONBLOCK", 0))


def _read_file(path: Path, kind: str) -> bytes:
    """Read a regular file. Pipes and devices aren't read: that could wait or go on forever."""
    try:
        with open(path, "rb", opener=_without_waiting) as file:
            about = os.fstat(file.fileno())
            if not stat.S_ISREG(about.st_mode):
                raise _unusable(path, kind, "it is no regular file")
            if about.st_size > LARGEST_FILE:
                raise ImageError(
                    f"{path} is larger than {LARGEST_FILE >> 20} MB", "Take a smaller one"
                )
            if about.st_size == 0:
                raise _unusable(path, kind, "it is empty")
            return file.read()
    except IsADirectoryError as error:
        problem = f"{path} is no picture but a folder"
        raise ImageError(problem, "Take a picture in it") from error
    except (FileNotFoundError, NotADirectoryError, ValueError) as error:  # ValueError: a NUL in it
        raise ImageError(f"{path} isn't there", "Check the path") from error
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise ImageError(f"{path} isn't there: no name is so long", "Check the path") from error
        problem = f"the {kind} {path} can't be read: {error.strerror or error}"
        raise ImageError(problem, "Check the path") from error


def _decode(path: Path, data: bytes, kind: str, convert: _Conversion) -> Image.Image:
    try:
        with warnings.catch_warnings():
            # A damaged file could fill the log: there is a warning for each of its tags.
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data)) as opened:
                if opened.width * opened.height > LARGEST_PIXELS:
                    raise ImageError(
                        f"{path} has {opened.width}×{opened.height} pixels, more than "
                        f"{LARGEST_PIXELS // 10**6} million",
                        "Take a smaller picture",
                    )
                if max(opened.size) > LARGEST_SIDE:
                    raise ImageError(
                        f"{path} has {opened.width}×{opened.height} pixels: a side is longer than "
                        f"{LARGEST_SIDE:,}",
                        "Take another picture",
                    )
                opened.load()
                return convert(_with_8_bits(_upright(opened)))
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise _unusable(
            path, kind, "it is far too large for what a picture file should be"
        ) from error
    except UnidentifiedImageError as error:
        raise _unusable(path, kind, "it is no picture of a known format") from error
    except (OSError, ValueError, SyntaxError, EOFError) as error:
        raise _unusable(path, kind, f"it is damaged ({error})") from error


def _unusable(path: Path, kind: str, problem: str) -> ImageError:
    return ImageError(f"the {kind} {path} can't be used: {problem}", "Take a PNG, JPEG or WebP")


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except _DAMAGED_EXIF:
        return image


def _as_rgb(image: Image.Image) -> Image.Image:
    if _is_transparent(image):
        layered = image.convert("RGBA")
        white = Image.new("RGBA", layered.size, "white")
        return Image.alpha_composite(white, layered).convert("RGB")
    return image.convert("RGB")


def _with_alpha(image: Image.Image) -> Image.Image:
    if image.mode in ("L", "LA", "RGB", "RGBA") and "transparency" not in image.info:
        return image
    if image.mode == "1":
        return image.convert("L")
    return image.convert("RGBA" if _is_transparent(image) else "RGB")


def _is_transparent(image: Image.Image) -> bool:
    return "A" in image.getbands() or "transparency" in image.info


def _with_8_bits(image: Image.Image) -> Image.Image:
    if _has_16_bits(image):
        # Pillow clips 16-bit grey values instead of scaling them.
        return image.convert("I").point(lambda value: value / 256).convert("L")
    return image


def _has_16_bits(image: Image.Image) -> bool:
    """True for 16-bit grey values; those of PGM files are in mode I, as are 8-bit ones."""
    if image.mode != "I":
        return image.mode.startswith("I;16")
    brightest = image.getextrema()[1]
    return isinstance(brightest, int | float) and brightest > 255
