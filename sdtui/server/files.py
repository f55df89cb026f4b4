"""Saved pictures as answers hold them."""

from __future__ import annotations

import base64
import io
from pathlib import Path

from PIL import Image


def is_in_place(path: Path, folder: Path) -> bool:
    """Whether a saved picture is still an ordinary file inside the pictures folder: a link that was
    put in its place may lead anywhere."""
    return path.is_file() and path.resolve().is_relative_to(folder.resolve())


def picture_bytes(path: Path, quality: int | None = None) -> bytes:
    """A picture file, made smaller if a quality in percent is asked for (PNG has none)."""
    data = path.read_bytes()
    if quality is None or path.suffix == ".png":
        return data
    with Image.open(io.BytesIO(data)) as image:
        buffer = io.BytesIO()
        image.save(buffer, image.format, quality=quality, exif=image.info.get("exif", b""))
        return buffer.getvalue()


def picture_base64(path: Path, quality: int | None = None) -> str:
    """The same as base64."""
    return base64.b64encode(picture_bytes(path, quality)).decode()
