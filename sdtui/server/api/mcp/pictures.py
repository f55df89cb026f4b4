"""Pictures in the arguments and answers of tools."""

from __future__ import annotations

import asyncio
import io
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from PIL import Image

from sdtui.core.errors import ImageError
from sdtui.core.pictures.smaller import smaller
from sdtui.jobs import JobPicture, PictureId, Pictures
from sdtui.requests.input_images import LARGEST_FILE
from sdtui.requests.request import REQUEST_FIELDS
from sdtui.server.dependencies import ServerServices

_HISTORY_ID = re.compile(r"-?\d{1,19}", re.ASCII)
_JOB_ID = re.compile(r"([\w-]{1,40})/(\d{1,4})", re.ASCII)
_LONGEST_PATH = 4096
_DATA_URL = re.compile("data:", re.IGNORECASE)
_SHOWN = ("WEBP", "PNG", "JPEG")
"""Formats that models and clients can read."""


def id_text(picture: PictureId) -> str:
    """Return the id of a picture as tools give and take it."""
    return f"{picture.job}/{picture.index}" if isinstance(picture, JobPicture) else str(picture)


def parse_id(text: str) -> PictureId | None:
    """Return the picture of an id, None if the text isn't one."""
    if _HISTORY_ID.fullmatch(text):
        return int(text)
    found = _JOB_ID.fullmatch(text)
    return JobPicture(found[1], int(found[2])) if found else None


@asynccontextmanager
async def received_pictures(
    services: ServerServices, values: Mapping[str, Any], *, allow_files: bool
) -> AsyncIterator[dict[str, Any]]:
    """Yield the values of a request with pictures that are named by ids, and by paths if
    `allow_files`, as the names of received pictures. Raises SdtuiError."""
    received: list[str] = []

    def receive(_: str, given: Any) -> Any:
        text = str(given) if isinstance(given, int | str) else ""
        data = _named(services.backend.pictures, text, allow_files=allow_files)
        if data is None:
            return given
        received.append(services.uploads.receive(data))
        return received[-1]

    try:
        yield await asyncio.to_thread(REQUEST_FIELDS.map_files, values, receive)
    finally:
        services.uploads.discard(received)


def _named(pictures: Pictures, name: str, *, allow_files: bool) -> bytes | None:
    """Return the picture of an id or path; None if the text is neither. Raises HistoryError or
    ImageError."""
    if (picture := parse_id(name)) is not None:
        return pictures.read(picture)
    if not allow_files or "." not in name:  # base64 has no dots, and picture files have a suffix
        return None
    if len(name) > _LONGEST_PATH or "\0" in name or _DATA_URL.match(name):
        return None
    path = Path(name).expanduser()
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise ImageError(f"{path} is too large for a picture")
        if not path.is_file():
            raise ImageError(f"{path} is no file")
        return path.read_bytes()
    except OSError as error:
        raise ImageError(f"{path} can't be read: {error.strerror}") from error


def shown_copy(pictures: Pictures, picture: PictureId, side: int) -> tuple[bytes, str]:
    """Return a picture whose sides have at most `side` pixels, and its media type. Raises
    HistoryError."""
    data = pictures.read(picture, edge=side)
    with Image.open(io.BytesIO(data)) as image:
        picture_format = image.format or ""
        is_small = max(image.size) <= side
    if not is_small or picture_format not in _SHOWN:
        return smaller(data, side), "image/webp"
    return data, Image.MIME[picture_format]
