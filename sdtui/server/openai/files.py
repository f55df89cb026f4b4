"""Saved pictures as answers hold them."""

from __future__ import annotations

import base64
import io
from pathlib import Path

from PIL import Image


def picture_base64(path: Path, quality: int | None) -> str:
    """A picture file as base64, made smaller if a quality is asked for (PNG has none)."""
    data = path.read_bytes()
    if quality is not None and path.suffix != ".png":
        with Image.open(io.BytesIO(data)) as image:
            buffer = io.BytesIO()
            exif = image.info.get("exif", b"")
            image.save(buffer, image.format, quality=quality, exif=exif)
            data = buffer.getvalue()
    return base64.b64encode(data).decode()
