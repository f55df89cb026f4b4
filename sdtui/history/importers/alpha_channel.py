"""Texts hidden in the lowest bits of pixels ("stealth pnginfo"), as NovelAI and extensions of A1111
and Forge write them. They survive where a site removes the metadata of files.

The bits run down the columns from the left. A signature of 15 letters comes first, then the length
of the text in bits (32 bits, big-endian), then the text in UTF-8, or compressed with gzip.
"""

from __future__ import annotations

import zlib
from pathlib import Path

from PIL import Image

from sdtui.history.image_metadata import MAX_TEXT
from sdtui.history.picture_errors import UNREADABLE

_SIGNATURES = {
    b"stealth_pnginfo": ("A", False),
    b"stealth_pngcomp": ("A", True),
    b"stealth_rgbinfo": ("RGB", False),
    b"stealth_rgbcomp": ("RGB", True),
}
_SIGNATURE = 15  # letters
_MAX_PIXELS = 40_000_000
_GZIP = 16 + zlib.MAX_WBITS
_LOWEST_BITS = bytes(ord("0") + (value & 1) for value in range(256))


def hidden_text(path: Path) -> str | None:
    """The text in the pixels of a PNG or WebP picture; None if there is none."""
    try:
        with Image.open(path, formats=("PNG", "WEBP")) as image:
            if image.width * image.height > _MAX_PIXELS or image.mode not in ("RGB", "RGBA"):
                return None
            columns = image.transpose(Image.Transpose.TRANSPOSE)
    except UNREADABLE:
        return None
    for channels in ("A", "RGB"):
        if set(channels) <= set(columns.getbands()):
            layer = columns.getchannel("A") if channels == "A" else columns.convert("RGB")
            found = _text(layer.tobytes(), channels)
            if found is not None:
                return found
    return None


def _text(samples: bytes, channels: str) -> str | None:
    """The text in the lowest bits of samples, one byte each."""
    kind = _SIGNATURES.get(_packed(samples, 0, _SIGNATURE))
    if kind is None or kind[0] != channels:
        return None
    length = int.from_bytes(_packed(samples, _SIGNATURE, 4), "big") // 8
    if length > MAX_TEXT:
        return None
    data = _packed(samples, _SIGNATURE + 4, length)
    if kind[1]:
        try:
            data = zlib.decompressobj(_GZIP).decompress(data, MAX_TEXT)
        except zlib.error:
            return None
    return data.decode("utf-8", "replace")


def _packed(samples: bytes, start: int, count: int) -> bytes:
    """The bytes `start` to `start + count` of those that the lowest bits make; b"" beyond the
    end."""
    bits = samples[8 * start : 8 * (start + count)].translate(_LOWEST_BITS)
    if not bits or len(bits) < 8 * count:
        return b""
    return int(bits, 2).to_bytes(count, "big")
