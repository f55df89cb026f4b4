"""Texts in EXIF and XMP blocks.

Tools disagree on the directory, the byte order and the encoding of the user comment: all of them
are read. The blocks may be anybody's: no offset or length is trusted.
"""

from __future__ import annotations

import codecs
import html
import struct

USER_COMMENT = "UserComment"
XMP_DESCRIPTION = "dc:description"

_EXIF_IFD, _USER_COMMENT = 0x8769, 0x9286
_TAG_NAMES = {
    0x010E: "ImageDescription",
    0x010F: "Make",
    0x0110: "Model",
    0x0131: "Software",
    0x013B: "Artist",
    0x927C: "MakerNote",
    _USER_COMMENT: USER_COMMENT,
    0x9C9B: "XPTitle",
    0x9C9C: "XPComment",
    0x9C9E: "XPKeywords",
    0x9C9F: "XPSubject",
}
_UTF16_TAGS = {0x9C9B, 0x9C9C, 0x9C9E, 0x9C9F}  # Windows writes them in UTF-16, little-endian
_MAX_ENTRIES = 200  # of a directory
_BYTES, _ASCII, _LONG, _UNDEFINED = 1, 2, 4, 7  # types of values
_BOMS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}


def decode(data: bytes) -> str:
    """The text of bytes without a stated encoding: that of a byte order mark, UTF-8 if they are
    valid UTF-8, else Latin-1."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", "replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def exif_texts(data: bytes) -> dict[str, str]:
    """The texts of an EXIF block by the names of their tags, from its first and its Exif
    directory. Empty if the block is damaged."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(data[:4])
    if order is None or len(data) < 8:
        return {}
    tags = _directory(data, order, *struct.unpack_from(f"{order}I", data, 4))
    if len(tags.get(_EXIF_IFD, b"")) == 4:
        tags |= _directory(data, order, *struct.unpack(f"{order}I", tags[_EXIF_IFD]))
    texts = {}
    for tag, value in tags.items():
        if tag == _EXIF_IFD:
            continue
        if tag == _USER_COMMENT:
            text = _user_comment(value, order)
        else:
            text = value.decode("utf-16-le", "replace") if tag in _UTF16_TAGS else decode(value)
        texts[_TAG_NAMES.get(tag, f"0x{tag:04x}")] = text.rstrip("\0")
    return texts


def xmp_texts(xmp: str) -> dict[str, str]:
    """The user comment and the description in an XMP block. Draw Things writes its settings into
    both."""
    texts = {}
    for name, element in (
        (USER_COMMENT, "exif:UserComment"),
        (XMP_DESCRIPTION, "dc:description"),
    ):
        _, found, text = xmp.partition(f"<{element}")
        text = text.partition(">")[2].partition(f"</{element}>")[0]
        if "<rdf:li" in text:
            text = text.partition("<rdf:li")[2].partition(">")[2].partition("</rdf:li>")[0]
        if found:
            texts[name] = html.unescape(text.strip())
    return texts


def _directory(data: bytes, order: str, offset: int) -> dict[int, bytes]:
    """The values of one TIFF directory: texts, bytes of known tags, and the Exif directory's
    offset."""
    values: dict[int, bytes] = {}
    total = 0
    count = int.from_bytes(data[offset : offset + 2], "big" if order == ">" else "little")
    for number in range(min(count, _MAX_ENTRIES)):
        start = offset + 2 + 12 * number
        if start + 12 > len(data):
            break
        tag, kind, length = struct.unpack_from(f"{order}HHI", data, start)
        if tag == _EXIF_IFD and kind == _LONG and length == 1:
            values[tag] = data[start + 8 : start + 12]
        elif kind == _ASCII or (kind in (_BYTES, _UNDEFINED) and tag in _TAG_NAMES):
            (at,) = struct.unpack_from(f"{order}I", data, start + 8)
            at = start + 8 if length <= 4 else at
            value = data[at : at + length]
            total += len(value)
            if total > len(data):
                break  # values overlap, which no tool writes
            values[tag] = value
    return values


def _user_comment(comment: bytes, order: str) -> str:
    """The text of a user comment, with or without a charset prefix or byte order mark."""
    code, text = comment[:8], comment[8:]
    if code not in (b"UNICODE\0", b"ASCII\0\0\0", b"JIS\0\0\0\0\0", b"\0" * 8):
        text = comment
    for mark, encoding in _BOMS.items():
        if text.startswith(mark):
            return text.removeprefix(mark).decode(encoding, "replace")
    if code.startswith(b"JIS"):
        return text.decode("iso2022_jp", "replace")
    body = text.rstrip(b"\0")
    if b"\0" in body or (code == b"UNICODE\0" and not _is_utf8(body)):
        return text.decode(_utf16(text, order), "replace")
    return decode(body)


def _utf16(text: bytes, order: str) -> str:
    """The kind of UTF-16 of a text. The standard wants the file's byte order, most tools write
    big-endian regardless; the zero bytes of Latin letters show which it was."""
    zeros_first, zeros_second = text[0::2].count(0), text[1::2].count(0)
    little = order == "<" if zeros_first == zeros_second else zeros_second > zeros_first
    return "utf-16-le" if little else "utf-16-be"


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
