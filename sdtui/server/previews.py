"""Encode previews as pictures."""

from __future__ import annotations

import base64
import io

from PIL import Image

from sdtui.requests.events import Preview


def enlarged_size(preview: Preview, side: int) -> tuple[int, int]:
    """Return the size of an enlarged preview, whose longer side has at most `side` pixels."""
    scale = max(1, side // max(preview.width, preview.height))
    return preview.width * scale, preview.height * scale


def preview_base64(preview: Preview, size: tuple[int, int], picture_format: str = "png") -> str:
    """Return a preview of this size as a PNG, JPEG or WebP in base64."""
    image = Image.frombytes("RGB", (preview.width, preview.height), preview.rgb)
    buffer = io.BytesIO()
    image.resize(size, Image.Resampling.BILINEAR).save(buffer, picture_format, compress_level=1)
    return base64.b64encode(buffer.getvalue()).decode()
