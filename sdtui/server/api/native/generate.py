"""POST /generate: send a request and wait for the picture."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Header, Request, Response
from pydantic import BaseModel, ConfigDict

from sdtui.jobs import Pictures
from sdtui.requests.record import GenerationRecord
from sdtui.server.api.native.schemas import GenerateBody
from sdtui.server.dependencies import ServicesDep
from sdtui.server.errors import ApiError, documented
from sdtui.server.files import picture_base64
from sdtui.server.routing import GenerationRoute
from sdtui.server.services.generation import GenerationOutcome, Picture, all_made, make, prepare

router = APIRouter(tags=["sdtui"], route_class=GenerationRoute)


class PictureAnswer(BaseModel):
    """A finished picture."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    image_base64: str
    """The PNG file, with its settings in it."""
    seed: int
    path: str
    """Where it was saved; empty if it could not be saved."""


class GenerateAnswer(PictureAnswer):
    """The first picture with its record."""

    job: str
    generation_time: float
    """Seconds, with loading, without waiting in the queue."""
    record: GenerationRecord
    more: list[PictureAnswer]
    """The other pictures, if several were requested."""
    warnings: list[str] = []
    """What went wrong although the pictures were made."""


@router.post(
    "/generate",
    response_model=GenerateAnswer,
    responses={
        200: {"content": {"image/png": {"schema": {"type": "string", "format": "binary"}}}},
        **documented("sdtui", 404, 406, 408, 410, 429, 502, 503, 507),
    },
)
async def generate(
    body: GenerateBody,
    services: ServicesDep,
    http: Request,
    accept: Annotated[str, Header(include_in_schema=False)] = "",
) -> Response:
    """Generate pictures and wait for them. With `Accept: image/png` the answer is the PNG itself.

    If the client disconnects, the job is cancelled.
    """
    as_png = prefers_png(accept)
    if as_png and body.num_images_per_prompt() > 1:
        raise ApiError(406, "NotAcceptable", "One PNG holds one picture: ask for JSON, or for one.")
    request = await prepare(services, body.root)
    made = all_made(services, await make(services, http, request))
    if as_png:
        first = made.pictures[0]
        headers = {"X-Seed": str(first.seed), "X-Job": made.job, **made.headers()}
        data = await asyncio.to_thread(services.backend.pictures.read, first.id)
        return Response(data, media_type="image/png", headers=headers)
    text = await asyncio.to_thread(_as_json, services.backend.pictures, made)
    return Response(text, media_type="application/json", headers=made.headers())


def prefers_png(accept: str) -> bool:
    """True if an Accept header prefers PNG to JSON: by weight, then by the more specific media
    range (RFC 9110, 12.5.1)."""
    weights: dict[str, float] = {}
    for media_range in accept.lower().split(","):
        kind, *parameters = (part.strip() for part in media_range.split(";"))
        weight = next((each[2:] for each in parameters if each.startswith("q=")), "1")
        try:
            weights[kind] = float(weight)
        except ValueError:
            weights[kind] = 0.0
    png = _rank(weights, "image/png", "image/*", "*/*")
    return png[0] > 0 and png > _rank(weights, "application/json", "application/*", "*/*")


def _rank(weights: dict[str, float], *kinds: str) -> tuple[float, int]:
    """The weight of the first of these media ranges that the header has, and its specificity."""
    found = ((weights[kind], -place) for place, kind in enumerate(kinds) if kind in weights)
    return next(found, (0.0, 0))


def _as_json(pictures: Pictures, made: GenerationOutcome) -> str:
    assert made.record is not None
    first, *more = (_answer(pictures, each) for each in made.pictures)
    return GenerateAnswer(
        **first.model_dump(),
        job=made.job,
        generation_time=made.record.generation_time,
        record=made.record,
        more=more,
        warnings=list(made.warnings),
    ).model_dump_json()


def _answer(pictures: Pictures, picture: Picture) -> PictureAnswer:
    image = picture_base64(pictures, picture.id)
    return PictureAnswer(image_base64=image, seed=picture.seed, path=picture.path)
