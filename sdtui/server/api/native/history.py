"""The history: search pictures, and get their records and files."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi import Path as PathValue
from fastapi.responses import FileResponse
from pydantic import BaseModel, ConfigDict

from sdtui.history import Entry, write_infotext
from sdtui.requests.record import GenerationRecord
from sdtui.server.api.native.repeating import repeating_values
from sdtui.server.dependencies import ServicesDep
from sdtui.server.errors import documented
from sdtui.server.files import PICTURE_ANSWERS, Edge, picture_response
from sdtui.server.scopes import root_path_of

router = APIRouter(prefix="/history", tags=["sdtui"])

_LARGEST = 2**63 - 1  # of SQLite's integers
EntryId = Annotated[int, PathValue(ge=-_LARGEST, le=_LARGEST)]


class EntryFacts(BaseModel):
    """What the history knows of a picture."""

    model_config = ConfigDict(from_attributes=True, use_attribute_docstrings=True)

    time: datetime
    prompt: str
    negative_prompt: str
    model: str
    sampler: str
    seed: int | None
    """None if it is unknown."""
    width: int
    height: int
    steps: int | None
    guidance: float | None
    starred: bool
    tags: tuple[str, ...]
    problem: str
    """What is wrong with the picture file; empty if nothing."""


class EntryAnswer(EntryFacts):
    """A picture of the history."""

    id: int
    """Larger for newer pictures."""
    url: str
    """Of its record; the picture is at URL/picture."""


class PageAnswer(BaseModel):
    """A page of search results, newest first."""

    total: int
    offset: int
    entries: list[EntryAnswer]


class RecordAnswer(BaseModel):
    """A picture with its record."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    entry: EntryAnswer
    record: GenerationRecord
    infotext: str
    """The settings as A1111 writes them; empty if it has none."""
    request: dict[str, Any]
    """A request that makes the picture again, as far as it needs no other picture."""
    left_out: list[str]
    """The fields of pictures that it was made from, which the request leaves out."""


@router.get("", responses=documented("sdtui"))
async def search(
    services: ServicesDep,
    http: Request,
    q: Annotated[str, Query(max_length=2000, description="In the history's search language")] = "",
    offset: Annotated[int, Query(ge=0, le=_LARGEST)] = 0,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> PageAnswer:
    """Search the pictures; without a query, all of them."""
    page = await asyncio.to_thread(services.backend.pictures.entries, q, offset=offset, limit=limit)
    entries = [_answer(http, entry) for entry in page.entries]
    return PageAnswer(total=page.total, offset=page.offset, entries=entries)


@router.get("/{entry_id}", responses=documented("sdtui", 404))
async def show(entry_id: EntryId, services: ServicesDep, http: Request) -> RecordAnswer:
    """Return a picture's entry and record."""

    def read() -> RecordAnswer:
        entry = services.backend.pictures.get(entry_id)
        record = services.backend.pictures.record(entry)
        request, left_out = repeating_values(record)
        return RecordAnswer(
            entry=_answer(http, entry),
            record=record,
            infotext=write_infotext(record),
            request=request,
            left_out=left_out,
        )

    return await asyncio.to_thread(read)


@router.delete("/{entry_id}", status_code=204, responses=documented("sdtui", 404))
async def trash(entry_id: EntryId, services: ServicesDep) -> None:
    """Move a picture into the trash."""
    await asyncio.to_thread(services.backend.pictures.trash, entry_id)


@router.put("/{entry_id}/star", responses=documented("sdtui", 404))
async def star(entry_id: EntryId, services: ServicesDep, http: Request) -> EntryAnswer:
    """Star a picture."""
    return _answer(http, await asyncio.to_thread(services.backend.pictures.star, entry_id))


@router.delete("/{entry_id}/star", responses=documented("sdtui", 404))
async def unstar(entry_id: EntryId, services: ServicesDep, http: Request) -> EntryAnswer:
    """Remove the star of a picture."""
    return _answer(http, await asyncio.to_thread(services.backend.pictures.unstar, entry_id))


@router.get(
    "/{entry_id}/picture",
    response_class=FileResponse,
    responses=PICTURE_ANSWERS,
)
async def picture(
    entry_id: EntryId,
    services: ServicesDep,
    http: Request,
    edge: Edge = None,
) -> Response:
    """Return the picture file, or a smaller copy."""
    return await picture_response(http, services.backend.pictures, entry_id, edge=edge)


def _answer(http: Request, entry: Entry) -> EntryAnswer:
    url = f"{root_path_of(http.scope)}/history/{entry.id}"
    return EntryAnswer.model_validate({**vars(entry), "url": url})
