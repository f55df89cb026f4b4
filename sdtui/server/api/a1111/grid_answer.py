"""txt2img and img2img with a script that makes a grid."""

from __future__ import annotations

import asyncio
import base64
import io
import json
from collections.abc import Sequence
from contextlib import ExitStack

from fastapi import Request, Response

from sdtui.history import INFOTEXT_KEYWORD
from sdtui.jobs import Pictures, SheetPicture
from sdtui.requests.grids import Axis
from sdtui.requests.request import GenerationRequest
from sdtui.server.api.a1111.answers import ImagesAnswer, Part, asked_by, info_of, warnings_of
from sdtui.server.api.a1111.samplers import find_sampler
from sdtui.server.api.a1111.schemas import Txt2ImgBody
from sdtui.server.api.a1111.scripts import GridScript
from sdtui.server.dependencies import ServerServices
from sdtui.server.files import picture_base64
from sdtui.server.outcome_headers import not_applied_header, outcome_headers
from sdtui.server.services.generation import holding_uploads
from sdtui.server.services.grids import (
    MadeCell,
    prepare_grid,
    sheets_of,
    submit_grid,
    wait_for_grid,
)


async def answer_grid(
    body: Txt2ImgBody,
    script: GridScript,
    services: ServerServices,
    http: Request,
    request: GenerationRequest,
) -> Response:
    """Generate the pictures of a grid. The answer has the sheet, those of each value of Z if the
    client wants them, and, if it wants them, the single pictures row by row.

    Raises ApiError.
    """

    def as_labels(axis: Axis) -> Axis:
        return axis.mapped("sampler", lambda name: _sampler(name, body.scheduler))

    request = request.changed(**script.changes)
    prepared = await prepare_grid(services, request, script.axes, script.options, as_labels)
    with holding_uploads(services, request), ExitStack() as asked:
        await asyncio.to_thread(body.read_pictures, [request])
        jobs = await submit_grid(services, http, prepared, body.output(), is_kept=body.save_images)
        for job in jobs:
            asked.enter_context(asked_by(services, http, job.id, task=body.force_task_id))
        made = await wait_for_grid(services, http, jobs)
    sheets = await sheets_of(services, prepared.grid.record.id) if made else []
    shown = sheets if script.has_sub_grids else sheets[:1]
    text = await asyncio.to_thread(
        _as_json, body, script, request, made, shown, services.backend.pictures
    )
    parts = _parts(made)
    headers = outcome_headers((part.record for part in parts), warnings_of(parts))
    headers |= not_applied_header(body.not_applied())
    return Response(text, media_type="application/json", headers=headers)


def _sampler(name: str, scheduler: str | None) -> str:
    label, _ = find_sampler(name, scheduler or "")
    return label or name


def _parts(made: Sequence[MadeCell]) -> list[Part]:
    return [
        Part(cell.outcome.record, cell.outcome.pictures[:1], cell.outcome.warnings)
        for cell in made
        if cell.outcome.record is not None
    ]


def _as_json(
    body: Txt2ImgBody,
    script: GridScript,
    request: GenerationRequest,
    made: Sequence[MadeCell],
    sheets: Sequence[SheetPicture],
    pictures: Pictures,
) -> str:
    parts = _parts(made)
    files = [pictures.read(each) for each in sheets]
    info = info_of(body, request, parts)
    info["index_of_first_image"] = len(files)
    info["infotexts"] = [*map(_infotext, files), *info["infotexts"]]
    images: list[str] = []
    if body.send_images:
        single = parts if script.has_single_pictures else []
        images = [base64.b64encode(each).decode() for each in files]
        images += [picture_base64(pictures, each.id) for part in single for each in part.pictures]
    return ImagesAnswer(
        images=images,
        parameters=body.model_dump(mode="json", include=body.echoed()),
        info=json.dumps(info, ensure_ascii=False),
    ).model_dump_json()


def _infotext(file: bytes) -> str:
    """Return the infotext in a PNG file."""
    from PIL import Image

    with Image.open(io.BytesIO(file)) as image:
        return str(image.info.get(INFOTEXT_KEYWORD, ""))
