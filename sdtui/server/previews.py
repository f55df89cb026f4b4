"""Previews as pictures."""

from __future__ import annotations

import base64
import io

from PIL import Image

from sdtui.core.events import Preview


def preview_base64(preview: Preview, side: int, picture_format: str = "png") -> str:
    """A preview as base64 of a PNG, JPEG or WebP whose longer side has at most `side` pixels:
    latents are too small to look at."""
    image = Image.frombytes("RGB", (preview.width, preview.height), preview.rgb)
    scale = max(1, side // max(image.size))
    size = (image.width * scale, image.height * scale)
    buffer = io.BytesIO()
    image.resize(size, Image.Resampling.BILINEAR).save(buffer, picture_format, compress_level=1)
    return base64.b64encode(buffer.getvalue()).decode()
