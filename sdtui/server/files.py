"""Saved pictures and other files in answers."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
from contextlib import suppress
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Annotated, Any

from fastapi import Query, Request, Response
from fastapi.responses import FileResponse
from PIL import Image
from starlette.datastructures import Headers, MutableHeaders
from starlette.staticfiles import NotModifiedResponse
from starlette.types import Message, Receive, Scope, Send

from sdtui.core.errors import HistoryError
from sdtui.jobs import PictureId, Pictures
from sdtui.server.errors import ApiError, documented

_BINARY = {"type": "string", "format": "binary"}
PICTURE_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"content": {"image/*": {"schema": _BINARY}}},
    206: {"description": "The part that Range asks for"},
    304: {"description": "The client has this version"},
    **documented("sdtui", 404, 416),
}
"""The responses of a route that answers with a picture."""
Edge = Annotated[
    int | None,
    Query(ge=16, le=8192, description="Most pixels of its sides; the answer is then a WebP"),
]
"""The parameter of a route that answers with a smaller copy of a picture."""
FILE_ANSWERS: dict[int | str, dict[str, Any]] = {
    **PICTURE_ANSWERS,
    200: {"content": {"application/octet-stream": {"schema": _BINARY}}},
}
"""The responses of a route that answers with another file."""

_KEPT_BY_BROWSERS = {
    "Cache-Control": "private, max-age=604800",
    "Vary": "Authorization, X-API-Key, API-Key",
}
"""Smaller copies take time to make, and a picture doesn't change."""


class SavedFile(FileResponse):
    """A file whose errors have the shape of the API."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the file or a part of it; called by Starlette. Raises ApiError for a wrong Range."""

        async def send_or_refuse(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] >= 400:
                length = Headers(raw=message["headers"]).get("content-range")
                what = "The header Range asks for a part that the file doesn't have."
                headers = {"Content-Range": length} if length else None
                raise ApiError(message["status"], "RangeNotSatisfiable", what, headers=headers)
            await send(message)

        headers = MutableHeaders(raw=list(scope["headers"]))
        if not headers.get("range", "").startswith("bytes="):
            del headers["range"]  # other units must be ignored (RFC 9110, 14.2)
        await super().__call__({**scope, "headers": headers.raw}, receive, send_or_refuse)


async def picture_response(
    http: Request,
    pictures: Pictures,
    picture: PictureId,
    quality: int | None = None,
    edge: int | None = None,
) -> Response:
    """Answer with a picture, or 304 if the client has it; with `edge`, with a smaller WebP. Raises
    HistoryError for an unknown picture, ApiError (404) if its file doesn't exist any more."""
    response = await _picture(pictures, picture, quality, edge)
    if _is_known(http.headers, response.headers):
        return NotModifiedResponse(response.headers)
    return response


async def file_response(http: Request, path: Path) -> Response:
    """Answer with a file for downloading, or 304 if the client has it. Raises ApiError (404) if it
    doesn't exist any more."""
    try:
        status = await asyncio.to_thread(path.stat)
    except OSError as error:
        raise ApiError(404, "NotFound", "The file does not exist any more.") from error
    kind = "application/octet-stream"
    response = SavedFile(path, stat_result=status, filename=path.name, media_type=kind)
    if _is_known(http.headers, response.headers):
        return NotModifiedResponse(response.headers)
    return response


async def _picture(
    pictures: Pictures, picture: PictureId, quality: int | None, edge: int | None
) -> Response:
    file = await asyncio.to_thread(pictures.local_file, picture)
    if file is not None and quality is None and edge is None:
        with suppress(FileNotFoundError):
            return SavedFile(file, stat_result=await asyncio.to_thread(file.stat))
    try:
        data = await asyncio.to_thread(lambda: pictures.read(picture, edge=edge))
    except HistoryError as error:
        raise ApiError(404, "NotFound", "The picture does not exist any more.") from error
    smaller, media_type = await asyncio.to_thread(_encode, data, quality)
    headers = {"ETag": f'"{hashlib.sha256(smaller).hexdigest()[:32]}"'}
    if edge is not None:
        headers.update(_KEPT_BY_BROWSERS)
    return Response(smaller, media_type=media_type, headers=headers)


def _is_known(asked: Headers, answered: Headers) -> bool:
    """True if a request says that the client has the current version (RFC 9110, 13.2.2)."""
    if known := asked.get("if-none-match"):
        tags = {each.strip().removeprefix("W/") for each in known.split(",")}
        return "*" in tags or answered["etag"] in tags
    try:
        since = parsedate_to_datetime(asked["if-modified-since"])
        return parsedate_to_datetime(answered["last-modified"]) <= since
    except (KeyError, ValueError, TypeError):  # absent, malformed, or without a time zone
        return False


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
