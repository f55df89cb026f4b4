"""What picture files carry besides pixels, read without decoding the pixels.

The files may be anybody's: every length is checked against a limit before it is used.
"""

from __future__ import annotations

import os
import stat
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from sdtui.core.errors import ImageError
from sdtui.history.exif import decode, exif_texts, xmp_texts

MAX_TEXT = 4_000_000
"""Bytes of one text, uncompressed. ComfyUI's larger workflows have a few hundred thousand."""

MAX_ALL_TEXTS = 16_000_000
"""Letters of all texts of a file together; what would go beyond is not read."""

MAX_CHUNKS = 200_000
"""Parts of a file that are walked over."""

_MAX_DEFLATE_RATIO = 1032
"""Bytes that one compressed byte becomes at most."""

XMP = "XML:com.adobe.xmp"
"""The keyword of an XMP block; the name that PNG has for it."""

JPEG_COMMENT = "comment"
"""The keyword of a JPEG's comment."""

_PNG = b"\x89PNG\r\n\x1a\n"
_COMFYUI = b"comf"  # tEXt by another name, in ComfyUI's animated PNGs
_PNG_END = b"\x00\x00\x00\x00IEND\xaeB`\x82"
_JPEG_XMP = b"http://ns.adobe.com/xap/1.0/\0"
_JPEG_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # the markers of headers with the size


@dataclass(frozen=True)
class Texts:
    """The texts in a picture file, by keyword; those of EXIF have the names of their tags."""

    format: str
    """"png", "jpeg" or "webp"."""
    size: tuple[int, int] | None
    """Width and height in pixels, from the header; None if it is damaged."""
    texts: dict[str, str] = field(default_factory=dict)


class _Collected:
    """The texts of a file, within MAX_ALL_TEXTS; the first of a keyword stays."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}
        self._left = MAX_ALL_TEXTS

    def add(self, found: Mapping[str, str]) -> None:
        if XMP in found:
            found = xmp_texts(found[XMP]) or {XMP: ""}
        for keyword, text in found.items():
            if keyword not in self.texts and len(text) <= self._left:
                self._left -= len(text)
                self.texts[keyword] = text


def read_texts(path: Path) -> Texts:
    """Read the texts of a PNG, JPEG or WebP file. What follows a damaged part is left out.

    Raises ImageError if the file can't be read or is none of these.
    """
    try:
        with open_ordinary(path) as file:
            start = file.read(12)
            if start.startswith(_PNG):
                return _read_png(file)
            if start.startswith(b"\xff\xd8\xff"):
                return _read_jpeg(file)
            if start[:4] == b"RIFF" and start[8:] == b"WEBP":
                return _read_webp(file)
    except OSError as error:
        raise _unreadable(path, error.strerror or str(error)) from error
    raise _unreadable(path, "it is not a PNG, JPEG or WebP picture")


def _unreadable(path: Path, reason: str) -> ImageError:
    return ImageError(f"{path} can't be read: {reason}", "Name another picture")


def open_ordinary(path: Path) -> BinaryIO:
    """Open a file for reading that must not be a pipe, a device or a folder. Raises OSError."""
    nonblocking = getattr(os, "O_NONBLOCK", 0)  # opening a pipe would wait for its writer
    handle = os.open(path, os.O_RDONLY | nonblocking | getattr(os, "O_BINARY", 0))
    file = os.fdopen(handle, "rb") if stat.S_ISREG(os.fstat(handle).st_mode) else None
    if file is None:
        os.close(handle)
        raise OSError("it is not an ordinary file")
    return file


def is_whole(path: Path) -> bool:
    """Whether a picture file ends as one of its kind does. Raises OSError."""
    with path.open("rb", buffering=0) as file:
        start = file.read(12)
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 12))
        end = file.read(12)
    if start.startswith(_PNG):
        return end == _PNG_END
    if start.startswith(b"\xff\xd8"):
        return end.rstrip(b"\0").endswith(b"\xff\xd9")
    if start[:4] == b"RIFF" and len(start) == 12:
        return size >= int.from_bytes(start[4:8], "little") + 8
    return False


def _read_png(file: BinaryIO) -> Texts:
    size: tuple[int, int] | None = None
    texts = _Collected()
    inflater = _Inflater()
    for kind, length in _png_chunks(file):
        if kind == b"IHDR":
            header = file.read(8)
            size = int.from_bytes(header[:4], "big"), int.from_bytes(header[4:], "big")
        elif kind in (b"tEXt", b"zTXt", b"iTXt", _COMFYUI) and length <= MAX_TEXT:
            found = _png_text(kind, file.read(length), inflater)
            if found is not None:
                texts.add(dict([found]))
        elif kind == b"eXIf" and length <= MAX_TEXT:
            texts.add(exif_texts(file.read(length)))
    return Texts("png", size, texts.texts)


def _png_chunks(file: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """Kind and length of every chunk, with the file at the start of its data."""
    position = len(_PNG)
    for _ in range(MAX_CHUNKS):
        file.seek(position)
        head = file.read(8)
        if len(head) < 8:
            return
        length, kind = struct.unpack(">I4s", head)
        yield kind, length
        position += length + 12


def _png_text(kind: bytes, data: bytes, inflater: _Inflater) -> tuple[str, str] | None:
    """Keyword and text of a text chunk; None if it is damaged or too long.

    tEXt and zTXt are Latin-1 by the standard, but many tools write UTF-8.
    """
    keyword, _, remainder = data.partition(b"\0")
    compressed = kind == b"zTXt"
    if kind == b"iTXt":
        compressed = remainder[:1] == b"\x01"
        parts = remainder[2:].split(b"\0", 2)  # language, translated keyword, text
        if len(parts) < 3:
            return None
        remainder = parts[2]
    elif compressed:
        remainder = remainder[1:]
    if compressed:
        inflated = inflater.inflate(remainder)
        if inflated is None:
            return None
        remainder = inflated
    text = remainder.decode("utf-8", "replace") if kind == b"iTXt" else decode(remainder)
    return keyword.decode("latin-1"), text


class _Inflater:
    """Decompresses the texts of a file, MAX_ALL_TEXTS bytes altogether.

    What is thrown away afterwards counts too: a few megabytes can hold thousands of texts that
    take seconds to decompress.
    """

    def __init__(self) -> None:
        self._left = MAX_ALL_TEXTS

    def inflate(self, data: bytes) -> bytes | None:
        """Decompressed data; None if it is damaged, cut short or too long."""
        limit = min(MAX_TEXT, self._left)
        if limit == 0:
            return None
        stream = zlib.decompressobj()
        try:
            text = stream.decompress(data, limit)
        except zlib.error:
            self._left -= min(limit, _MAX_DEFLATE_RATIO * len(data))
            return None
        self._left -= len(text)
        return text if stream.eof else None


def _read_jpeg(file: BinaryIO) -> Texts:
    size: tuple[int, int] | None = None
    texts = _Collected()
    position = 2
    for _ in range(MAX_CHUNKS):
        file.seek(position)
        head = file.read(4)
        if len(head) < 4 or head[0] != 0xFF or head[1] in (0xD9, 0xDA):
            break
        marker, length = head[1], int.from_bytes(head[2:], "big")
        data = file.read(max(0, length - 2))
        if marker in _JPEG_FRAMES and len(data) >= 5:
            size = int.from_bytes(data[3:5], "big"), int.from_bytes(data[1:3], "big")
        elif marker == 0xE1 and data.startswith(b"Exif\0\0"):
            texts.add(exif_texts(data[6:]))
        elif marker == 0xE1 and data.startswith(_JPEG_XMP):
            texts.add({XMP: decode(data.removeprefix(_JPEG_XMP))})
        elif marker == 0xFE:
            texts.add({JPEG_COMMENT: decode(data)})
        position += 2 + length
    return Texts("jpeg", size, texts.texts)


def _read_webp(file: BinaryIO) -> Texts:
    size: tuple[int, int] | None = None
    texts = _Collected()
    position = 12
    for _ in range(MAX_CHUNKS):
        file.seek(position)
        head = file.read(8)
        if len(head) < 8:
            break
        kind, length = head[:4], int.from_bytes(head[4:], "little")
        if kind in (b"VP8 ", b"VP8L", b"VP8X"):
            size = size or _webp_size(kind, file.read(10))
        elif kind == b"EXIF" and length <= MAX_TEXT:
            texts.add(exif_texts(file.read(length).removeprefix(b"Exif\0\0")))
        elif kind == b"XMP " and length <= MAX_TEXT:
            texts.add({XMP: decode(file.read(length))})
        position += 8 + length + length % 2
    return Texts("webp", size, texts.texts)


def _webp_size(kind: bytes, data: bytes) -> tuple[int, int] | None:
    """Width and height in the first 10 bytes of a chunk with a picture or of the header."""
    if len(data) < 10:
        return None
    if kind == b"VP8X":
        return int.from_bytes(data[4:7], "little") + 1, int.from_bytes(data[7:10], "little") + 1
    if kind == b"VP8L":
        bits = int.from_bytes(data[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    width, height = struct.unpack_from("<HH", data, 6)
    return width & 0x3FFF, height & 0x3FFF
