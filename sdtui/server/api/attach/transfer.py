"""Pictures with their JSON as zip files, out of the history and into it."""

from __future__ import annotations

import io
import tempfile
import zipfile
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field, TypeAdapter

from sdtui.core.errors import OutputError, SdtuiError
from sdtui.history import Imported
from sdtui.jobs.wire import CLIENT_HEADER, PROTOCOL, PROTOCOL_HEADER, error_to_wire
from sdtui.server.dependencies import ServerServices, ServicesDep
from sdtui.server.services.callers import caller_of

router = APIRouter(prefix="/attach", include_in_schema=False)

_HEADERS = {PROTOCOL_HEADER: str(PROTOCOL)}
_MEMBER = b"PK\x01\x02"
"""The beginning of a file's entry in the list of a zip file."""
_MOST_MEMBERS = 50_000
_MOST_TIMES = 4
"""How many times larger than the zip file its files may be: pictures are compressed already,"""
_ALWAYS_BYTES = 2**24
"""texts beside them are small."""
_IMPORTED = TypeAdapter(Imported)


class ExportBody(BaseModel):
    """Some pictures."""

    ids: Annotated[list[int], Field(max_length=16)]


@router.post("/export")
async def export(body: ExportBody, services: ServicesDep, http: Request) -> Response:
    """Return pictures with their JSON in a zip file, as `sdtui history export` writes it."""

    def write() -> bytes:
        with tempfile.TemporaryDirectory(prefix="sdtui-") as folder:
            target = Path(folder) / "pictures.zip"
            services.backend.pictures.export(target, ids=body.ids)
            return target.read_bytes()

    try:
        data = await services.attach_threads.run(caller_of(http).name, write)
    except SdtuiError as error:
        return _failed(error)
    return Response(data, headers=_HEADERS, media_type="application/zip")


@router.post("/import")
async def import_(services: ServicesDep, http: Request) -> Response:
    """Take pictures from a zip file into the history."""
    data = await http.body()
    client = http.headers.get(CLIENT_HEADER, "")
    try:
        imported = await services.attach_threads.run(
            caller_of(http).name, _import, services, data, client
        )
    except SdtuiError as error:
        return _failed(error)
    finally:
        http.state.release_body()
    return Response(_IMPORTED.dump_json(imported), headers=_HEADERS, media_type="application/json")


def _import(services: ServerServices, data: bytes, client: str) -> Imported:
    _check_archive(data)
    with tempfile.TemporaryDirectory(prefix="sdtui-") as folder:
        source = Path(folder) / "sent.zip"
        source.write_bytes(data)
        imported = services.backend.pictures.import_([source])
    if imported.pictures:
        services.attach_hub.note_history(client)
    return imported


def _check_archive(data: bytes) -> None:
    """Raise OutputError for a zip file that becomes much larger: it would fill disk and memory."""
    if data.count(_MEMBER) > _MOST_MEMBERS:
        raise OutputError(f"the archive has more than {_MOST_MEMBERS:,} files", "Send fewer")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            size = sum(member.file_size for member in archive.infolist())
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise OutputError(f"the archive can't be read: {error}", "Send it again") from error
    if size > _MOST_TIMES * len(data) + _ALWAYS_BYTES:
        raise OutputError("the archive is compressed too much", "Send it uncompressed")


def _failed(error: SdtuiError) -> Response:
    text = error_to_wire(error).model_dump_json()
    return Response(text, 400, headers=_HEADERS, media_type="application/json")
