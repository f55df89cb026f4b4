"""Pictures with their JSON as zip files, out of the history and into it."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field, TypeAdapter

from sdtui.core.errors import SdtuiError
from sdtui.history import Imported
from sdtui.jobs.wire import CLIENT_HEADER, PROTOCOL, PROTOCOL_HEADER, error_to_wire
from sdtui.server.dependencies import ServerServices, ServicesDep

router = APIRouter(prefix="/attach", include_in_schema=False)

_HEADERS = {PROTOCOL_HEADER: str(PROTOCOL)}
_IMPORTED = TypeAdapter(Imported)


class ExportBody(BaseModel):
    """Some pictures."""

    ids: Annotated[list[int], Field(max_length=64)]


@router.post("/export")
async def export(body: ExportBody, services: ServicesDep) -> Response:
    """Return pictures with their JSON in a zip file, as `sdtui history export` writes it."""

    def write() -> bytes:
        with tempfile.TemporaryDirectory(prefix="sdtui-") as folder:
            target = Path(folder) / "pictures.zip"
            services.backend.pictures.export(target, ids=body.ids)
            return target.read_bytes()

    try:
        data = await asyncio.to_thread(write)
    except SdtuiError as error:
        return _failed(error)
    return Response(data, headers=_HEADERS, media_type="application/zip")


@router.post("/import")
async def import_(services: ServicesDep, http: Request) -> Response:
    """Take pictures from a zip file into the history."""
    data = await http.body()
    client = http.headers.get(CLIENT_HEADER, "")
    try:
        imported = await asyncio.to_thread(_import, services, data, client)
    except SdtuiError as error:
        return _failed(error)
    finally:
        http.state.release_body()
    return Response(_IMPORTED.dump_json(imported), headers=_HEADERS, media_type="application/json")


def _import(services: ServerServices, data: bytes, client: str) -> Imported:
    with tempfile.TemporaryDirectory(prefix="sdtui-") as folder:
        source = Path(folder) / "sent.zip"
        source.write_bytes(data)
        imported = services.backend.pictures.import_([source])
    if imported.pictures:
        services.attach_hub.note_history(client)
    return imported


def _failed(error: SdtuiError) -> Response:
    text = error_to_wire(error).model_dump_json()
    return Response(text, 400, headers=_HEADERS, media_type="application/json")
