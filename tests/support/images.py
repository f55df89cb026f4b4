"""Small pictures, their base64 form, and how much two of them differ."""

from __future__ import annotations

import base64
import io

from PIL import Image, ImageChops


def difference(one: Image.Image, other: Image.Image) -> int:
    """The largest difference of any channel of any pixel, 0 to 255."""
    return max(ImageChops.difference(one, other).tobytes())


def png_base64(side: int = 64, colour: str = "red") -> str:
    """A square PNG in one colour, `side` pixels wide, as base64."""
    buffer = io.BytesIO()
    Image.new("RGB", (side, side), colour).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def open_base64(text: str) -> Image.Image:
    """Decode a picture as the APIs return it."""
    image = Image.open(io.BytesIO(base64.b64decode(text)))
    image.load()
    return image
