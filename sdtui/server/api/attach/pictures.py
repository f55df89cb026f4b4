"""Pictures as bytes, also smaller ones, and the pictures that clients send."""

from __future__ import annotations

import hashlib
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi import Path as PathValue

from sdtui.core.errors import HistoryError
from sdtui.jobs import AttachmentPicture, JobPicture, PictureId, SheetPicture
from sdtui.jobs.wire import PROTOCOL, PROTOCOL_HEADER
from sdtui.server.dependencies import ServerServices, ServicesDep
from sdtui.server.errors import ApiError
from sdtui.server.services.callers import caller_of

router = APIRouter(prefix="/attach", include_in_schema=False)

_LARGEST = 2**63 - 1  # of SQLite's integers
_PROTOCOL = {PROTOCOL_HEADER: str(PROTOCOL)}
_HEADERS = {**_PROTOCOL, "Cache-Control": "private, immutable, max-age=31536000"}
EntryId = Annotated[int, PathValue(ge=-_LARGEST, le=_LARGEST)]
Edge = Annotated[int | None, Query(ge=16, le=8192)]
Sha256 = Annotated[str, PathValue(pattern="^[0-9a-f]{64}$")]


@router.get("/pictures/entries/{entry_id}")
async def of_history(
    entry_id: EntryId, services: ServicesDep, http: Request, edge: Edge = None
) -> Response:
    """Return a picture of the history; with `edge`, as a WebP whose sides aren't longer."""
    return await _picture(services, http, entry_id, edge)


@router.get("/pictures/entries/{entry_id}/{name}")
async def of_attachment(
    entry_id: EntryId, name: str, services: ServicesDep, http: Request, edge: Edge = None
) -> Response:
    """Return what is kept beside a picture of the history, such as a control map."""
    return await _picture(services, http, AttachmentPicture(entry_id, name), edge)


@router.get("/pictures/jobs/{job_id}/{index}")
async def of_job(
    job_id: str, index: int, services: ServicesDep, http: Request, edge: Edge = None
) -> Response:
    """Return a picture of a job."""
    return await _picture(services, http, JobPicture(job_id, index), edge)


@router.get("/pictures/sheets/{grid_id}/{index}")
async def of_grid(
    grid_id: str, index: int, services: ServicesDep, http: Request, edge: Edge = None
) -> Response:
    """Return a sheet of a grid."""
    return await _picture(services, http, SheetPicture(grid_id, index), edge)


async def _picture(
    services: ServerServices, http: Request, picture: PictureId, edge: int | None
) -> Response:
    try:
        data = await services.attach_threads.run(
            caller_of(http).name, services.backend.pictures.read, picture, edge=edge
        )
    except HistoryError as error:
        raise ApiError(404, "NotFound", str(error), headers=_PROTOCOL) from error
    tag = f'"{hashlib.sha256(data).hexdigest()[:32]}"'
    headers = {**_HEADERS, "ETag": tag}
    if http.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(data, headers=headers, media_type="application/octet-stream")


@router.get("/uploads/{sha256}", status_code=204)
async def uploaded(sha256: Sha256, services: ServicesDep, http: Request) -> Response:
    """Say whether a picture was sent, without its contents."""
    find = services.attach_uploads.find
    if await services.attach_threads.run(caller_of(http).name, find, sha256) is None:
        message = "The picture wasn't sent, or isn't kept any more."
        raise ApiError(404, "NotFound", message, headers=_PROTOCOL)
    return Response(status_code=204, headers=_PROTOCOL)


@router.put("/uploads/{sha256}", status_code=204)
async def upload(
    sha256: Sha256,
    services: ServicesDep,
    http: Request,
    name: Annotated[str, Query(max_length=4096)] = "",
) -> Response:
    """Keep a picture for requests that name it by its hash; its file gets this name."""
    data = await http.body()
    keep = services.attach_uploads.keep
    await services.attach_threads.run(caller_of(http).name, keep, sha256, data, name)
    http.state.release_body()
    return Response(status_code=204, headers=_PROTOCOL)
