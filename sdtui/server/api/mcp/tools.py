"""What tools do. They know the server's services and nothing of the protocol's library."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

from fastapi import Request
from pydantic import BaseModel

from sdtui.core.errors import HistoryError
from sdtui.jobs import JobPicture, PictureId
from sdtui.requests.record import GenerationRecord
from sdtui.requests.request import REQUEST_FIELDS
from sdtui.server.api.mcp.pictures import id_text, parse_id, received_pictures
from sdtui.server.api.mcp.progress import Report, reporting
from sdtui.server.api.mcp.schemas import (
    SIDE,
    FoundPicture,
    GetAnswer,
    GetArguments,
    MadeAnswer,
    MadePicture,
    PlacedPicture,
    SearchAnswer,
    SearchArguments,
)
from sdtui.server.dependencies import ServerServices
from sdtui.server.picture_links import lasting_id, signed_link
from sdtui.server.services.generation import (
    GenerationOutcome,
    all_made,
    prepare,
    submit,
    wait_for,
)
from sdtui.server.services.init_images import size_like

_SMALLEST_SIDE = 256
_SIZE_FIELDS = ("width", "height", "mask_image", "outpaint")
"""With one of these, the size of an edited picture isn't that of the picture it is made of."""
_UPSCALE_SIZES = ("upscale_factor", "upscale_width", "upscale_height")


@dataclass(frozen=True)
class ToolCall:
    """A call of a tool."""

    services: ServerServices
    http: Request
    report: Report
    is_local: bool = False
    """True if the client is on this machine and may name files."""


@dataclass(frozen=True)
class ToolAnswer:
    """What a tool answers with."""

    data: BaseModel
    shown: Mapping[PictureId, PlacedPicture] = field(default_factory=dict)
    """The pictures that are shown."""
    side: int = 0
    """Most pixels of a side of a picture that is shown."""


RunTool = Callable[[ToolCall, Mapping[str, Any]], Awaitable[ToolAnswer]]
"""Runs a tool with its arguments. Raises ApiError, SdtuiError or ValidationError."""


async def generate_image(call: ToolCall, arguments: Mapping[str, Any]) -> ToolAnswer:
    """Make pictures from a prompt."""
    return await _make(call, arguments)


async def edit_image(call: ToolCall, arguments: Mapping[str, Any]) -> ToolAnswer:
    """Make pictures from a picture."""
    return await _make(call, arguments, keeps_shape=True)


async def upscale_image(call: ToolCall, arguments: Mapping[str, Any]) -> ToolAnswer:
    """Make a picture larger."""
    sizes = {} if arguments.keys() & set(_UPSCALE_SIZES) else {"upscale_factor": 2}
    return await _make(call, {"prompt": "", **sizes, **arguments}, prompt_needed=False)


async def _make(
    call: ToolCall,
    arguments: Mapping[str, Any],
    *,
    prompt_needed: bool = True,
    keeps_shape: bool = False,
) -> ToolAnswer:
    services = call.services
    async with received_pictures(services, arguments, allow_files=call.is_local) as values:
        start = values.get("init_image")
        if keeps_shape and isinstance(start, str) and not values.keys() & set(_SIZE_FIELDS):
            data = await asyncio.to_thread(services.uploads.read, start)
            size = await asyncio.to_thread(size_like, services, values.get("model"), data)
            values.update(size)
        request = await prepare(services, values, prompt_needed=prompt_needed)
    job = await submit(services, call.http, request)
    async with reporting(services, job.id, call.report):
        outcome = all_made(services, await wait_for(services, call.http, job))
    shown = await asyncio.to_thread(_shown, call, outcome)
    record = outcome.record
    assert record is not None  # only a job that was cancelled before it started has none
    answer = MadeAnswer(
        pictures=list(shown.values()),
        model=record.request.model,
        seconds=round(record.generation_time or 0.0, 2),
        changed=[each.changes for each in record.attempts if not each.lossless],
        warnings=[*record.notices, *outcome.warnings],
    )
    # Several pictures share the area of one.
    return ToolAnswer(answer, shown, side=max(_SMALLEST_SIDE, int(SIDE / len(shown) ** 0.5)))


def _shown(call: ToolCall, outcome: GenerationOutcome) -> dict[PictureId, MadePicture]:
    assert outcome.record is not None
    images = {each.index: each for each in outcome.record.images}
    pictures = {lasting_id(call.services.backend.pictures, each): each for each in outcome.pictures}
    return {
        lasting: MadePicture(
            id=id_text(lasting),
            seed=picture.seed,
            width=images[picture.index].width,
            height=images[picture.index].height,
            **_place(call, lasting, picture.path),
        )
        for lasting, picture in pictures.items()
    }


def _place(call: ToolCall, picture: PictureId, path: str) -> dict[str, str]:
    """Return where the client finds the whole picture: its path or a link."""
    if not call.is_local:
        suffix = PurePath(path).suffix
        return {"url": signed_link(call.services, call.http, picture, suffix)}
    connection = call.services.backend.connection
    is_here = path and (connection is None or connection.shares_files)
    return {"path": path} if is_here else {}


async def search_history(call: ToolCall, arguments: Mapping[str, Any]) -> ToolAnswer:
    """Search the history."""
    wanted = SearchArguments.model_validate(arguments)
    pictures = call.services.backend.pictures
    page = await asyncio.to_thread(
        pictures.entries, wanted.query, offset=wanted.offset, limit=wanted.limit
    )
    found = [
        FoundPicture.model_validate({**vars(each), "id": id_text(each.id)}) for each in page.entries
    ]
    return ToolAnswer(SearchAnswer(total=page.total, offset=page.offset, pictures=found))


async def get_image(call: ToolCall, arguments: Mapping[str, Any]) -> ToolAnswer:
    """Return a picture and how it was made."""
    wanted = GetArguments.model_validate(arguments)
    return await asyncio.to_thread(_get, call, wanted)


def _get(call: ToolCall, wanted: GetArguments) -> ToolAnswer:
    picture = parse_id(wanted.id)
    if picture is None:
        raise HistoryError(f'there is no picture "{wanted.id}"', "search_history lists them")
    path, record, size = _found(call.services, picture)
    answer = GetAnswer(
        id=wanted.id,
        width=size[0],
        height=size[1],
        request=_given(record),
        **_place(call, picture, path),
    )
    return ToolAnswer(answer, {picture: answer}, wanted.side)


def _found(
    services: ServerServices, picture: PictureId
) -> tuple[str, GenerationRecord, tuple[int, int]]:
    """Return path, record and size of a picture. Raises HistoryError."""
    pictures = services.backend.pictures
    if isinstance(picture, int):
        entry = pictures.get(picture)
        return str(entry.path), pictures.record(entry), (entry.width, entry.height)
    assert isinstance(picture, JobPicture)
    try:
        job = services.backend.jobs.job(picture.job)
        record = job.record
        assert record is not None
        image = record.images[picture.index]
    except (KeyError, IndexError, AssertionError) as error:
        raise HistoryError(f'there is no picture "{id_text(picture)}" any more') from error
    return image.path or "", record, (image.width, image.height)


def _given(record: GenerationRecord) -> dict[str, Any]:
    """Return the fields of a picture's request that aren't open, without files."""
    values = record.model_dump(mode="json", include={"request"})["request"]
    flat = REQUEST_FIELDS.flat(values)
    resolved = {**flat, **{name: each for name, each in record.values().items() if name in flat}}
    return {
        name: value
        for name, value in resolved.items()
        if name in REQUEST_FIELDS
        and not REQUEST_FIELDS[name].is_file
        and value not in (None, (), [], "", REQUEST_FIELDS[name].default)
    }
