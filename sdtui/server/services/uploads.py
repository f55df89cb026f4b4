"""Uploaded pictures: checked before they are decoded, and stored until their job ends."""

from __future__ import annotations

import base64
import binascii
import io
import re
import secrets
import struct
import threading
import time
import warnings
from collections.abc import Container, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from PIL import ExifTags, Image, UnidentifiedImageError

from sdtui.core.errors import ImageError, OutputError
from sdtui.jobs import Job
from sdtui.requests.input_images import LARGEST_SIDE
from sdtui.server.jpeg import START_OF_SCAN
from sdtui.server.jpeg import markers as jpeg_markers

_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP")
_DATA_URL = re.compile(r"data:[\w.+/-]*(;[\w.+-]+=[\w.+-]*)*;base64,", re.ASCII | re.IGNORECASE)
"""RFC 2397. The media type is ignored, since the format is detected."""
_ROTATED_90 = (5, 6, 7, 8)
"""EXIF orientations that swap width and height."""
_MAX_SCANS = 100
"""Scans of a progressive JPEG; encoders write about ten. Each takes milliseconds to decode, however
few bytes it has."""
_MAX_AGE_SECONDS = 86_400.0
_SMALLER = "Send a smaller one"
_LONGEST_NAME = 100
_CHUNK = 4 * 2**18
"""Characters that are decoded at a time, since decoding blocks all threads."""


_MAX_READS = 50_000
"""Reads of a header. Pillow reads each part of a file by itself, and a picture may begin with
millions of empty ones; real ones have hundreds."""


class _HeaderFile(io.BytesIO):
    """A picture file that can't be read very many times."""

    _reads = 0

    def read(self, size: int | None = -1, /) -> bytes:
        """Read bytes. Raises OSError after too many reads."""
        self._reads += 1
        if self._reads > _MAX_READS:
            raise OSError("it has too many parts")
        return super().read(size)


class Uploads:
    """A folder of pictures with random names."""

    def __init__(self, folder: Path, max_pixels: int) -> None:
        """`max_pixels` limits width times height."""
        self._folder = folder
        self._max_pixels = max_pixels
        self._held: set[Path] = set()
        self._received: dict[Path, bool] = {}
        """Pictures of bodies that are being answered; True = a request has kept it."""
        self._lock = threading.Lock()

    def receive(self, picture: bytes | str) -> str:
        """Store a picture given as bytes, base64 or data URL; returns a name for it.

        The name stands for the picture in `path_for` and `keep` until `discard`, also in several
        requests. Raises ImageError or OutputError.
        """
        path = self._new_path()
        self.keep({path: picture})
        with self._lock:
            self._received[path] = False
        return path.name

    def discard(self, names: Iterable[str]) -> None:
        """Delete those of the received pictures that nobody kept."""
        with self._lock:
            paths = [self._folder / name for name in names]
            unused = [path for path in paths if self._received.pop(path, None) is False]
        self.forget(unused)

    def path_for(self, picture: bytes | str) -> Path:
        """The path of a received picture by its name, a new one for any other picture."""
        if isinstance(picture, str) and len(picture) < _LONGEST_NAME:
            path = self._folder / picture
            if path in self._received:
                return path
        return self._new_path()

    def _new_path(self) -> Path:
        return self._folder / f"{secrets.token_hex(12)}.picture"

    def keep(self, pictures: Mapping[Path, bytes | str]) -> None:
        """Write pictures, given as bytes, base64 or data URLs, to their paths from `path_for`.

        Those that were received are there already. Raises ImageError for invalid or too large
        pictures, or OutputError; then nothing is written.
        """
        checked = {}
        with self._lock:
            received = self._received.keys() & pictures.keys()
        for path, picture in pictures.items():
            if path not in received:
                data = self.decode_base64(picture) if isinstance(picture, str) else picture
                self.check(data)
                checked[path] = data
        try:
            for path, data in checked.items():
                self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
                path.touch(0o600)
                path.write_bytes(data)
        except OSError as error:
            with suppress(OSError):
                self.forget(checked)
            raise OutputError(
                f"the picture that was sent can't be stored: {error.strerror}",
                "Make room on the server's disk",
            ) from error
        with self._lock:
            self._received.update(dict.fromkeys(received, True))

    def read(self, picture: str) -> bytes:
        """Return a picture given as base64, as a data URL, or by the name of a received one. Raises
        ImageError."""
        path = self.path_for(picture)
        return path.read_bytes() if path in self._received else self.decode_base64(picture)

    def decode_base64(self, text: str) -> bytes:
        """Decode and check a picture in base64 or a data URL; other URLs are never opened.

        Raises ImageError.
        """
        start = text[:200]
        match = _DATA_URL.match(start)
        if match is None and ":" in start:
            raise ImageError(
                "a picture must come as base64: URLs and paths are never opened",
                "Send the picture itself",
            )
        try:
            data = _decode(text, match.end() if match else 0)
        except (binascii.Error, ValueError) as error:
            raise _not_base64() from error
        if not data:
            raise _not_base64()
        self.check(data)
        return data

    def check(self, data: bytes) -> tuple[int, int]:
        """Check the header; returns width and height of the upright picture. Raises ImageError."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                with Image.open(_HeaderFile(data), formats=_FORMATS) as opened:
                    width, height = opened.size
                    image_format = opened.format
                    rotated = is_rotated_90(opened)
        except UnidentifiedImageError as error:
            raise _unusable("it is not a picture of a known format") from error
        except Image.DecompressionBombError as error:
            raise _unusable("it has far too many pixels", _SMALLER) from error
        except (OSError, ValueError, SyntaxError, EOFError) as error:
            raise _unusable(f"it is damaged ({error})") from error
        if image_format == "JPEG":
            _check_scans(data)
        if max(width, height) > LARGEST_SIDE:
            raise _unusable(
                f"{width}×{height} pixels: a side is longer than {LARGEST_SIDE:,}", _SMALLER
            )
        if width * height > self._max_pixels:
            raise _unusable(f"{width}×{height} pixels are more than {self._max_pixels:,}", _SMALLER)
        return (height, width) if rotated else (width, height)

    @contextmanager
    def holding(self, paths: Iterable[Path]) -> Iterator[None]:
        """Keep pictures beyond their job, since another job may need them."""
        held = set(paths)
        self._held |= held
        try:
            yield
        finally:
            self._held -= held

    def forget(self, paths: Iterable[Path]) -> None:
        """Delete stored pictures that aren't held; other files are left alone."""
        for path in paths:
            if path.parent == self._folder and path not in self._held:
                path.unlink(missing_ok=True)

    def forget_old(self, in_use: Container[Path]) -> None:
        """Delete pictures older than a day that no job needs."""
        files = self._folder.iterdir() if self._folder.is_dir() else ()
        for path in files:
            with suppress(FileNotFoundError):  # another server of this folder may delete them too
                if path not in in_use and time.time() - path.stat().st_mtime > _MAX_AGE_SECONDS:
                    path.unlink()


def input_images(jobs: Iterable[Job]) -> set[Path]:
    """All files that jobs need."""
    return {path for job in jobs for path in job.request.input_images().values()}


def is_rotated_90(image: Image.Image) -> bool:
    """True if the EXIF orientation swaps width and height.

    Only EXIF before the pixels counts: `getexif` would decode a PNG to find later chunks.
    """
    exif = Image.Exif()
    try:
        exif.load(image.info.get("exif", b""))
        return exif.get(ExifTags.Base.Orientation, 1) in _ROTATED_90
    except (SyntaxError, ValueError, TypeError, KeyError, OSError, struct.error):
        return False  # errors of Pillow for damaged EXIF


def _check_scans(jpeg: bytes) -> None:
    scans = 0
    for count, marker in enumerate(jpeg_markers(jpeg)):
        if count > _MAX_READS:
            raise _unusable("it is damaged (it has too many parts)")
        scans += marker == START_OF_SCAN
        if scans > _MAX_SCANS:
            raise _unusable(f"it has more than {_MAX_SCANS} scans")


def _decode(text: str, start: int) -> bytes:
    """Decode base64 from `start`, in which lines are allowed. Raises ValueError."""
    data = bytearray()
    rest = ""
    for offset in range(start, len(text), _CHUNK):
        encoded = rest + "".join(text[offset : offset + _CHUNK].split())
        whole = len(encoded) // 4 * 4
        data += base64.b64decode(encoded[:whole], validate=True)
        rest = encoded[whole:]
    data += base64.b64decode(rest, validate=True)
    return bytes(data)


def _not_base64() -> ImageError:
    return ImageError("the picture is not valid base64", "Send PNG, JPEG or WebP as base64")


def _unusable(problem: str, hint: str = "Send a PNG, JPEG or WebP") -> ImageError:
    return ImageError(f"the picture can't be used: {problem}", hint)
