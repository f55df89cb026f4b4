"""Read the bodies of requests strictly, and hold little of them in memory.

A waiting request lives as long as its job. So pictures in JSON become files as soon as they are
parsed, and the text of the body is dropped.
"""

from __future__ import annotations

import asyncio
import codecs
import io
from collections.abc import Iterator
from contextlib import aclosing
from typing import Any

from fastapi import HTTPException, Request
from pydantic_core import from_json
from python_multipart.multipart import parse_options_header
from starlette._utils import AwaitableOrContextManagerWrapper
from starlette.datastructures import FormData
from starlette.formparsers import MultiPartException, MultiPartParser

from sdtui.core import runtime
from sdtui.core.errors import SdtuiError
from sdtui.core.fields import Field
from sdtui.requests.request import REQUEST_FIELDS
from sdtui.server.errors import ApiError, from_sdtui
from sdtui.server.services.uploads import Uploads

MAX_VALUES = 100_000
"""Most values of a JSON body. Each takes up to fifty times its bytes in memory."""
MAX_TEXT = 2**20
"""Most characters of a body without its pictures."""
_PICTURE_STARTS = (b"\x89PNG", b"\xff\xd8\xff", b"RIFF", b"GIF8", b"BM")
"""The first bytes of picture files, with none of which JSON begins."""
_LONG_PICTURE = 2**16
"""Characters of base64 from which a picture in JSON becomes a file at once."""
_PARSED_AT_ONCE = 2**16
"""Bytes of a body that is parsed on the event loop; larger ones are parsed in a thread."""
_MAX_PARTS = 256
"""Most fields and most files of a form."""
_NEVER = 2**62


def _file_names(field: Field) -> Iterator[str]:
    if field.is_file:
        yield from (field.name, *field.path[-1:])
    for item in field.items:
        yield from _file_names(item)


_PICTURE_NAMES = {
    *(name for field in REQUEST_FIELDS.values() for name in _file_names(field)),
    *("init_images", "mask", "image", "data"),  # A1111
    *("input_image", "mask_image"),  # units of ControlNet, which may be sent switched off
    *("controlnet_input_images", "controlnet_images", "controlnet_masks"),
    "inputs",  # Hugging Face
}
"""Names of the values, at any depth, that may hold a long text."""


class StrictRequest(Request):
    """A request whose body is read once.

    JSON: refuses invalid Unicode (lone surrogates), which can't be encoded in answers and pictures,
    excessive nesting, very many values, and long texts that aren't pictures. Long pictures are
    stored as uploads, and their names take their place. Forms stay in memory: the route stores
    their picture.
    """

    _raw = b""
    received: tuple[str, ...] = ()
    """Names of the pictures that were stored."""

    async def body(self) -> bytes:
        """Read the body; returns a placeholder, empty if the body is. `json` parses it."""
        # Its buffer is cut to size at the end, unlike a bytearray, which may be an eighth larger.
        buffer = io.BytesIO()
        async for chunk in self.stream():
            buffer.write(chunk)
        self._raw = buffer.getvalue()
        return b"..." if self._raw else b""

    async def picture(self) -> bytes:
        """Read a body that may be a picture, whatever its Content-Type; returns it, or nothing if
        it is something else. `json` parses that."""
        await self.body()
        if not self._raw.startswith(_PICTURE_STARTS):
            return b""
        data, self._raw = self._raw, b""
        self.state.release_body()
        return data

    async def json(self) -> Any:
        """Parse the body. Raises ApiError."""
        services = self.app.state.services
        is_short = len(self._raw) <= _PARSED_AT_ONCE
        parsing, self._raw = _Parsing(self._raw, services.uploads), b""
        try:
            if is_short:
                return parsing.run()
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(services.parsing, parsing.run_alone)
        finally:
            self.received = tuple(parsing.received)
            self.state.release_body()

    def form(
        self,
        *,
        max_files: float = _MAX_PARTS,
        max_fields: float = _MAX_PARTS,
        max_part_size: int = MAX_TEXT,
    ) -> AwaitableOrContextManagerWrapper[FormData]:
        """Parse a form, without temporary files."""
        del max_files, max_fields, max_part_size  # FastAPI passes its own
        return AwaitableOrContextManagerWrapper(self._read_form())

    async def _read_form(self) -> FormData:
        if self._form is not None:
            return self._form
        kind, _ = parse_options_header(self.headers.get("content-type", ""))
        if kind.lower() != b"multipart/form-data":
            return await super()._get_form(max_fields=_MAX_PARTS, max_part_size=MAX_TEXT)
        try:
            async with aclosing(self.stream()) as stream:
                self._form = await _FormParser(self.headers, stream).parse()
        except MultiPartException as error:
            raise HTTPException(400, error.message) from error
        return self._form


class _Parsing:
    """Parses JSON, on any thread."""

    def __init__(self, raw: bytes, uploads: Uploads) -> None:
        self._raw = raw
        self._uploads = uploads
        self._text = 0
        self.received: list[str] = []
        """Names of the pictures that were stored."""

    def run(self) -> Any:
        """Return the parsed values and drop the text. Raises ApiError."""
        # Counts those in texts too, which are short but for pictures, whose base64 has none.
        if sum(map(self._raw.count, (b",", b"[", b"{"))) > MAX_VALUES:
            raise _too_large(f"more than {MAX_VALUES:,} values")
        try:
            values = from_json(self._raw.removeprefix(codecs.BOM_UTF8))
        except ValueError as error:
            raise ApiError(400, "BadRequest", f"The body is not valid JSON: {error}.") from error
        finally:
            self._raw = b""
        return self._without_pictures(values, "")

    def run_alone(self) -> Any:
        """Do the same for a large body, and give its memory back. Raises ApiError."""
        try:
            return self.run()
        finally:
            runtime.return_free_memory()

    def _without_pictures(self, value: Any, name: str) -> Any:
        """Return a value with the names of stored pictures in place of long ones."""
        if isinstance(value, dict):
            for key, item in value.items():
                self._count(key)
                value[key] = self._without_pictures(item, key)
        elif isinstance(value, list):
            for index, item in enumerate(value):
                value[index] = self._without_pictures(item, name)
        elif isinstance(value, str):
            if len(value) > _LONG_PICTURE and name in _PICTURE_NAMES:
                return self._stored(value)
            self._count(value)
        return value

    def _count(self, text: str) -> None:
        self._text += len(text)
        if self._text > MAX_TEXT:
            raise _too_large(f"more than {MAX_TEXT:,} characters without its pictures")

    def _stored(self, picture: str) -> str:
        try:
            name = self._uploads.receive(picture)
        except SdtuiError as error:
            raise from_sdtui(error) from error
        self.received.append(name)
        return name


class _FormParser(MultiPartParser):
    """Keeps files in memory, whose size BodyLimitMiddleware limits: the folder for temporary files
    may be full or read-only."""

    spool_max_size = _NEVER

    def __init__(self, headers: Any, stream: Any) -> None:
        super().__init__(
            headers, stream, max_files=_MAX_PARTS, max_fields=_MAX_PARTS, max_part_size=MAX_TEXT
        )
        self._text = 0

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        """Called by the parser with a piece of a part. Raises ApiError."""
        if self._current_part.file is None:
            self._text += end - start
            if self._text > MAX_TEXT:
                raise _too_large(f"more than {MAX_TEXT:,} bytes without its pictures")
        super().on_part_data(data, start, end)


def _too_large(what: str) -> ApiError:
    return ApiError(413, "ContentTooLarge", f"The body has {what}.")
