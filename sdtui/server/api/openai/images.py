"""Text-to-image: pictures from a prompt."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any, TypeVar

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from sdtui.jobs import Output, Pictures
from sdtui.requests.request import GenerationRequest
from sdtui.server.api.openai.schemas import ImagesBody
from sdtui.server.api.openai.stream import PictureStream
from sdtui.server.api.openai.usage import Usage, usage_of
from sdtui.server.dependencies import ServerServices, ServicesDep
from sdtui.server.errors import documented
from sdtui.server.files import picture_base64
from sdtui.server.outcome_headers import not_applied_header, outcome_headers
from sdtui.server.picture_links import picture_link
from sdtui.server.routing import GenerationRoute
from sdtui.server.services.generation import (
    Picture,
    all_made,
    holding_uploads,
    make,
    prepare,
)
from sdtui.server.streaming import EVENT_STREAM

Body = TypeVar("Body", bound=ImagesBody)
router = APIRouter(prefix="/images", tags=["OpenAI"], route_class=GenerationRoute)
ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"content": EVENT_STREAM["content"]},
    **documented("openai", 404, 408, 410, 429, 502, 503, 507),
}
"""The responses of a route that generates pictures."""


class ImageAnswer(BaseModel):
    """One picture, as base64 or as a link."""

    b64_json: str | None = None
    url: str | None = None
    revised_prompt: str | None = None
    seed: int


class ImagesAnswer(BaseModel):
    """The pictures."""

    created: int
    data: list[ImageAnswer]
    output_format: str
    size: str
    quality: str
    background: str = "opaque"
    usage: Usage
    safety_identifier: str | None = None
    not_applied: list[str] | None = None
    """Fields of the request that had no effect."""


@router.post("/generations", response_model=ImagesAnswer, responses=ANSWERS)
async def generations(body: ImagesBody, services: ServicesDep, http: Request) -> Response:
    """Generate pictures from a prompt and wait for them; with `stream`, send them as events."""
    body = for_deployment(body, http)
    request = await prepare(services, body.values(), is_compatible=True)
    return await answer(body, [request], services, http)


def for_deployment(body: Body, http: Request) -> Body:
    """Return a body with the model that Azure's clients have in the path, as their deployment."""
    name = http.path_params.get("deployment")
    return body if name is None else body.model_copy(update={"model": name})


async def answer(
    body: ImagesBody,
    requests: Sequence[GenerationRequest],
    services: ServerServices,
    http: Request,
) -> Response:
    """Generate the pictures of requests, one after the other: the answer, or the stream of
    events."""
    output = Output(format=body.output_format or "png")
    if body.stream:
        return await PictureStream.begun(services, http, requests, body, output)
    with holding_uploads(services, *requests):
        made = [all_made(services, await make(services, http, each, output)) for each in requests]
    found = [picture for outcome in made for picture in outcome.pictures]
    if body.wants_links:
        quality = body.output_compression
        data = [
            ImageAnswer(url=await picture_link(services, http, each, quality), seed=each.seed)
            for each in found
        ]
    else:
        pictures = services.backend.pictures
        data = await asyncio.to_thread(_read_all, pictures, found, body.output_compression)
    records = [each.record for each in made if each.record is not None]
    sizes = [(image.width, image.height) for record in records for image in record.images]
    usage = await asyncio.to_thread(usage_of, services.models, requests, sizes)
    text = await asyncio.to_thread(_as_json, body, sizes[0], data, usage)
    headers = outcome_headers(records, (text for each in made for text in each.warnings))
    headers |= not_applied_header(body.not_applied())
    return Response(text, media_type="application/json", headers=headers)


def _as_json(body: ImagesBody, size: tuple[int, int], data: list[ImageAnswer], usage: Usage) -> str:
    return ImagesAnswer(
        created=int(time.time()),
        data=data,
        output_format=body.output_format or "png",
        size=f"{size[0]}x{size[1]}",
        quality=body.answered_quality,
        usage=usage,
        safety_identifier=body.identifier,
        not_applied=body.not_applied() or None,
    ).model_dump_json(exclude_none=True)


def _read_all(
    pictures: Pictures, made: Sequence[Picture], quality: int | None
) -> list[ImageAnswer]:
    return [
        ImageAnswer(b64_json=picture_base64(pictures, picture.id, quality), seed=picture.seed)
        for picture in made
    ]
