"""The history: search pictures, and get their records and files."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi import Path as PathValue
from fastapi.responses import FileResponse
from pydantic import BaseModel, ConfigDict

from sdtui.history import Entry
from sdtui.requests.record import GenerationRecord
from sdtui.server.dependencies import ServicesDep
from sdtui.server.errors import documented
from sdtui.server.files import PICTURE_ANSWERS, picture_response
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

    entry: EntryAnswer
    record: GenerationRecord


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
        return RecordAnswer(
            entry=_answer(http, entry), record=services.backend.pictures.record(entry)
        )

    return await asyncio.to_thread(read)


@router.get(
    "/{entry_id}/picture",
    response_class=FileResponse,
    responses=PICTURE_ANSWERS,
)
async def picture(entry_id: EntryId, services: ServicesDep, http: Request) -> Response:
    """Return the picture file."""
    return await picture_response(http, services.backend.pictures, entry_id)


def _answer(http: Request, entry: Entry) -> EntryAnswer:
    url = f"{root_path_of(http.scope)}/history/{entry.id}"
    return EntryAnswer.model_validate({**vars(entry), "url": url})
