"""What picture files carry besides pixels, read without decoding the pixels.

The files may be anybody's: every length is checked against a limit before it is used.
"""

from __future__ import annotations

import os
import stat
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from sdtui.core.errors import ImageError

MAX_TEXT = 4_000_000
"""Bytes of one text, uncompressed. ComfyUI's larger workflows have a few hundred thousand."""

MAX_ALL_TEXTS = 16_000_000
"""Letters of all texts of a file together; what would go beyond is not read."""

MAX_CHUNKS = 200_000
"""Parts of a file that are walked over."""

_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_END = b"\x00\x00\x00\x00IEND\xaeB`\x82"
_EXIF_IFD, _USER_COMMENT = 0x8769, 0x9286
_TAG_NAMES = {0x010E: "ImageDescription", 0x010F: "Make", 0x0110: "Model", 0x0131: "Software"}
_READ_TAGS = {*_TAG_NAMES, _EXIF_IFD, _USER_COMMENT}


@dataclass(frozen=True)
class Texts:
    """The texts in a picture file, by keyword; the EXIF user comment is "UserComment"."""

    format: str
    """"png", "jpeg" or "webp"."""
    size: tuple[int, int] | None
    """Width and height in pixels, where they stand in the header (PNG)."""
    texts: dict[str, str] = field(default_factory=dict)


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
                return Texts("jpeg", None, _from_exif(_jpeg_exif(file)))
            if start[:4] == b"RIFF" and start[8:] == b"WEBP":
                return Texts("webp", None, _from_exif(_webp_exif(file)))
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
    texts: dict[str, str] = {}
    left = MAX_ALL_TEXTS
    for kind, length in _png_chunks(file):
        if kind == b"IHDR":
            header = file.read(8)
            size = int.from_bytes(header[:4], "big"), int.from_bytes(header[4:], "big")
        elif kind in (b"tEXt", b"zTXt", b"iTXt") and length <= MAX_TEXT:
            found = _png_text(kind, file.read(length))
            if found is not None and len(found[1]) <= left:
                left -= len(found[1])
                texts.setdefault(*found)
        elif kind == b"eXIf" and length <= MAX_TEXT:
            for name, text in _from_exif(file.read(length)).items():
                texts.setdefault(name, text)
    return Texts("png", size, texts)


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


def _png_text(kind: bytes, data: bytes) -> tuple[str, str] | None:
    """Keyword and text of a text chunk; None if it is damaged or too long."""
    keyword, _, remainder = data.partition(b"\0")
    compressed, encoding = kind == b"zTXt", "latin-1"
    if kind == b"iTXt":
        compressed, encoding = remainder[:1] == b"\x01", "utf-8"
        parts = remainder[2:].split(b"\0", 2)  # language, translated keyword, text
        if len(parts) < 3:
            return None
        remainder = parts[2]
    elif compressed:
        remainder = remainder[1:]
    if compressed:
        inflated = _inflate(remainder)
        if inflated is None:
            return None
        remainder = inflated
    return keyword.decode("latin-1"), remainder.decode(encoding, "replace")


def _inflate(data: bytes) -> bytes | None:
    """Decompressed data; None if it is damaged, cut short or longer than MAX_TEXT."""
    inflater = zlib.decompressobj()
    try:
        text = inflater.decompress(data, MAX_TEXT)
    except zlib.error:
        return None
    return text if inflater.eof else None


def _jpeg_exif(file: BinaryIO) -> bytes:
    """The EXIF block of a JPEG file, empty if there is none."""
    position = 2
    for _ in range(MAX_CHUNKS):
        file.seek(position)
        head = file.read(4)
        if len(head) < 4 or head[0] != 0xFF or head[1] in (0xD9, 0xDA):
            break
        length = int.from_bytes(head[2:], "big")
        if head[1] == 0xE1:
            data = file.read(max(0, length - 2))
            if data.startswith(b"Exif\0\0"):
                return data[6:]
        position += 2 + length
    return b""


def _webp_exif(file: BinaryIO) -> bytes:
    """The EXIF block of a WebP file, empty if there is none."""
    position = 12
    for _ in range(MAX_CHUNKS):
        file.seek(position)
        head = file.read(8)
        if len(head) < 8:
            break
        length = int.from_bytes(head[4:], "little")
        if head[:4] == b"EXIF":
            return file.read(length).removeprefix(b"Exif\0\0") if length <= MAX_TEXT else b""
        position += 8 + length + length % 2
    return b""


def _from_exif(data: bytes) -> dict[str, str]:
    """The texts of an EXIF block: the user comment and a few tags of the first directory."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(data[:4])
    if order is None or len(data) < 8:
        return {}
    texts: dict[str, str] = {}
    first = _directory(data, order, int.from_bytes(data[4:8], "big" if order == ">" else "little"))
    for tag, name in _TAG_NAMES.items():
        if tag in first:
            texts[name] = first[tag].rstrip(b"\0").decode("utf-8", "replace")
    if len(first.get(_EXIF_IFD, b"")) == 4:
        (offset,) = struct.unpack(order + "I", first[_EXIF_IFD])
        comment = _directory(data, order, offset).get(_USER_COMMENT)
        if comment is not None:
            texts["UserComment"] = _user_comment(comment, order)
    return texts


def _directory(data: bytes, order: str, offset: int) -> dict[int, bytes]:
    """The values of one TIFF directory: bytes, texts and single 32-bit numbers."""
    values: dict[int, bytes] = {}
    count = int.from_bytes(data[offset : offset + 2], "big" if order == ">" else "little")
    for number in range(min(count, 200)):
        start = offset + 2 + 12 * number
        if start + 12 > len(data):
            break
        tag, kind, length = struct.unpack_from(order + "HHI", data, start)
        if tag not in _READ_TAGS:
            continue
        if kind == 4 and length == 1:
            values[tag] = data[start + 8 : start + 12]
        elif kind in (1, 2, 7):
            (at,) = struct.unpack_from(order + "I", data, start + 8)
            at = start + 8 if length <= 4 else at
            values[tag] = data[at : at + length]
    return values


def _user_comment(comment: bytes, order: str) -> str:
    """The text of a user comment, in whichever of its encodings it was written."""
    code, text = comment[:8], comment[8:]
    if code == b"UNICODE\0":
        # the standard wants the file's byte order, most tools write big-endian regardless: the
        # zeros of Latin letters tell which it was
        zeros_first, zeros_second = text[0::2].count(0), text[1::2].count(0)
        little = order == "<" if zeros_first == zeros_second else zeros_second > zeros_first
        return text.decode("utf-16-le" if little else "utf-16-be", "replace").rstrip("\0")
    if code in (b"ASCII\0\0\0", b"\0" * 8):
        return text.decode("utf-8", "replace").rstrip("\0")
    return comment.decode("utf-8", "replace").rstrip("\0")
