"""Saved pictures in answers."""

from __future__ import annotations

import asyncio
import base64
import io

from fastapi import Response
from fastapi.responses import FileResponse
from PIL import Image

from sdtui.core.errors import HistoryError
from sdtui.jobs import PictureId, Pictures
from sdtui.server.errors import ApiError


async def picture_response(
    pictures: Pictures, picture: PictureId, quality: int | None = None
) -> Response:
    """Answer with a picture. Raises HistoryError for an unknown picture, ApiError (404) if its
    file doesn't exist any more."""
    file = await asyncio.to_thread(pictures.local_file, picture)
    if file is not None and quality is None:
        return FileResponse(file)
    try:
        data = await asyncio.to_thread(pictures.read, picture)
    except HistoryError as error:
        raise ApiError(404, "NotFound", "The picture does not exist any more.") from error
    smaller, media_type = await asyncio.to_thread(_encode, data, quality)
    return Response(smaller, media_type=media_type)


def picture_base64(pictures: Pictures, picture: PictureId, quality: int | None = None) -> str:
    """Read a picture and return it as base64. Raises HistoryError."""
    data = pictures.read(picture)
    if quality is not None:
        data, _ = _encode(data, quality)
    return base64.b64encode(data).decode()


def _encode(data: bytes, quality: int | None) -> tuple[bytes, str]:
    """Return a picture file and its media type, encoded again if a quality in percent is given
    (PNG has none)."""
    with Image.open(io.BytesIO(data)) as image:
        assert image.format is not None
        media_type = Image.MIME[image.format]
        if quality is None or image.format == "PNG":
            return data, media_type
        buffer = io.BytesIO()
        image.save(buffer, image.format, quality=quality, exif=image.info.get("exif", b""))
        return buffer.getvalue(), media_type
