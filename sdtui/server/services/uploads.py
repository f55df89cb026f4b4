"""Pictures that come with a request: looked at before anything is decoded, and kept as files until
their job is over."""

from __future__ import annotations

import base64
import binascii
import io
import re
import secrets
import struct
import time
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from PIL import ExifTags, Image, UnidentifiedImageError

from sdtui.core.errors import ImageError, OutputError

_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP")
_DATA_URL = re.compile(r"data:[\w.+/-]*(;[\w.+-]+=[\w.+-]*)*;base64,", re.ASCII | re.IGNORECASE)
"""RFC 2397. What it says of the kind doesn't matter: the picture itself is looked at."""
_ROTATED_90 = (5, 6, 7, 8)
"""Orientations (EXIF) of a picture that is turned by a quarter."""
_A_DAY = 86_400.0


class Uploads:
    """A folder of pictures under names of our own."""

    def __init__(self, folder: Path, max_pixels: int) -> None:
        """`max_pixels` is the largest width times height that is taken."""
        self._folder = folder
        self._max_pixels = max_pixels
        self._held: set[Path] = set()

    def keep_base64(self, text: str) -> Path:
        """Keep a picture that came as base64 or as a data URL. Raises ImageError."""
        return self.keep(self.decode_base64(text))

    def decode_base64(self, text: str) -> bytes:
        """The checked bytes of a picture that came as base64 or as a data URL; other URLs are
        never fetched. Raises ImageError."""
        start = text[:200]
        match = _DATA_URL.match(start)
        if match is None and ":" in start:
            raise ImageError(
                "a picture must come as base64: URLs and paths are never opened",
                "Send the picture itself",
            )
        try:
            encoded = "".join(text[match.end() if match else 0 :].split())  # lines are allowed
            data = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError) as error:
            raise _not_base64() from error
        if not data:
            raise _not_base64()
        self.check(data)
        return data

    def keep(self, data: bytes) -> Path:
        """Keep a picture; where it is. Raises ImageError for what is none, or is too large, and
        OutputError."""
        self.check(data)
        path = self._folder / f"{secrets.token_hex(12)}.picture"
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            path.write_bytes(data)
        except OSError as error:
            with suppress(OSError):
                path.unlink(missing_ok=True)
            raise OutputError(
                f"the picture that was sent can't be kept: {error.strerror}",
                "Make room on the server's disk",
            ) from error
        return path

    def check(self, data: bytes) -> tuple[int, int]:
        """Look at the header alone: width and height of the upright picture. Raises ImageError."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                with Image.open(io.BytesIO(data), formats=_FORMATS) as opened:
                    width, height = opened.size
                    rotated = is_rotated_90(opened)
        except UnidentifiedImageError as error:
            raise _unusable("it is no picture of a known format") from error
        except Image.DecompressionBombError as error:
            raise _unusable("it has far too many pixels") from error
        except (OSError, ValueError, SyntaxError, EOFError) as error:
            raise _unusable(f"it is damaged ({error})") from error
        if width * height > self._max_pixels:
            raise _unusable(f"{width}×{height} pixels are more than {self._max_pixels:,}")
        return (height, width) if rotated else (width, height)

    @contextmanager
    def holding(self, path: Path | None) -> Iterator[None]:
        """Have a picture outlive its job, since another may need it."""
        held = set() if path is None else {path}
        self._held |= held
        try:
            yield
        finally:
            self._held -= held

    def forget(self, path: Path | None) -> None:
        """Delete a kept picture that isn't held; anything else is left alone."""
        if path is not None and path.parent == self._folder and path not in self._held:
            path.unlink(missing_ok=True)

    def forget_old(self, in_use: Iterable[Path | None]) -> None:
        """Delete what was left behind a day ago and no job needs."""
        needed = set(in_use)
        files = self._folder.iterdir() if self._folder.is_dir() else ()
        for path in files:
            if path not in needed and time.time() - path.stat().st_mtime > _A_DAY:
                path.unlink(missing_ok=True)


def is_rotated_90(image: Image.Image) -> bool:
    """Whether a picture is turned by a quarter, as far as what is in front of its pixels tells:
    `getexif` would decode a PNG to look behind them."""
    exif = Image.Exif()
    try:
        exif.load(image.info.get("exif", b""))
        return exif.get(ExifTags.Base.Orientation, 1) in _ROTATED_90
    except (SyntaxError, ValueError, TypeError, KeyError, OSError, struct.error):
        return False  # what Pillow raises for damaged ones


def _not_base64() -> ImageError:
    return ImageError("the picture is not valid base64", "Send PNG, JPEG or WebP as base64")


def _unusable(problem: str) -> ImageError:
    return ImageError(f"the picture can't be used: {problem}", "Send a PNG, JPEG or WebP")
