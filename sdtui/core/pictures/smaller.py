"""Smaller copies of encoded pictures, for slow lines."""

from __future__ import annotations

import io

_QUALITY = 85


def smaller(data: bytes, edge: int) -> bytes:
    """Return an encoded picture as an upright WebP whose sides have at most `edge` pixels. Raises
    what Pillow raises for a picture that it can't read: OSError, ValueError or SyntaxError."""
    from PIL import Image, ImageOps

    with Image.open(io.BytesIO(data)) as opened:
        opened.draft("RGB", (edge, edge))
        image = ImageOps.exif_transpose(opened)
    image.thumbnail((edge, edge))
    if image.mode not in ("RGB", "RGBA"):
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=_QUALITY, method=2)
    return buffer.getvalue()
