"""Forms with pictures."""

from __future__ import annotations

from typing import Annotated

from fastapi import Request, Response, UploadFile
from pydantic import BeforeValidator
from python_multipart.multipart import parse_options_header
from starlette.datastructures import UploadFile as StarletteUpload

from sdtui.core.errors import Problem
from sdtui.server.errors import ApiError
from sdtui.server.routing import GenerationRoute, Handle

_CHARSETS = (b"utf-8", b"utf8", b"us-ascii")
_NO_FILE = "must be a file: its part of the form needs a filename"


class FormRoute(GenerationRoute):
    """Accepts only forms in UTF-8: FastAPI would report every field of a JSON body as missing, and
    some other codecs of Python take minutes for a megabyte."""

    def get_route_handler(self) -> Handle:
        """Called by FastAPI."""
        handle = super().get_route_handler()

        async def check_and_handle(request: Request) -> Response:
            _check_kind(request.headers.get("content-type", ""))
            return await handle(request)

        return check_and_handle


def _check_is_file(value: object) -> object:
    if isinstance(value, str):
        raise ValueError(_NO_FILE)
    return value


Upload = Annotated[UploadFile, BeforeValidator(_check_is_file)]


async def read_upload(file: object) -> bytes:
    """Read an upload, and drop it from memory. Raises ApiError for a field that is no file."""
    if not isinstance(file, StarletteUpload):
        raise refused("image", _NO_FILE)
    data: bytes = await file.read()
    await file.close()
    return data


def refused(field: str, message: str, kind: str = "InvalidRequestError") -> ApiError:
    """Return the error for a field of a form."""
    problem = Problem(field, None, message)
    return ApiError(400, kind, f"{problem}.", problems=[problem])


def _check_kind(content_type: str) -> None:
    kind, options = parse_options_header(content_type)
    if kind.lower() not in (b"multipart/form-data", b"application/x-www-form-urlencoded"):
        message = "The body must be a form with the picture in it (multipart/form-data)."
        raise ApiError(415, "UnsupportedMediaType", message)
    if options.get(b"charset", b"utf-8").lower() not in _CHARSETS:
        raise ApiError(415, "UnsupportedMediaType", "The form must be in UTF-8.")
