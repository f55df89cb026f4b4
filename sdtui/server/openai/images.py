"""Pictures from words, and from a picture and words."""

from __future__ import annotations

import asyncio
import time
from typing import Annotated, Any

from fastapi import APIRouter, Depends, File, Form, Request, Response, UploadFile
from pydantic import BaseModel

from sdtui.core.errors import Problem
from sdtui.core.request import GenerationRequest
from sdtui.jobs import Output
from sdtui.server.desk import Desk, TheDesk
from sdtui.server.errors import ApiError, documented
from sdtui.server.files import picture_base64
from sdtui.server.guard import LINKS
from sdtui.server.making import Made, Picture, all_made, make, prepare, submit
from sdtui.server.openai.bodies import EditBody, ImagesBody
from sdtui.server.openai.stream import PictureStream
from sdtui.server.route import MakingRoute
from sdtui.server.streaming import EVENT_STREAM

router = APIRouter(prefix="/v1/images", tags=["OpenAI"], route_class=MakingRoute)
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"content": EVENT_STREAM["content"]},
    **documented("openai", 404, 408, 410, 429, 503, 507),
}


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
    background: str = "opaque"


@router.post("/generations", response_model=ImagesAnswer, responses=_ANSWERS)
async def generations(body: ImagesBody, desk: TheDesk, http: Request) -> Response:
    """Make pictures from a prompt, and wait for them; with `stream` they are sent as events."""
    return await _answer(body, await prepare(desk, body.values()), desk, http)


def _only_forms(http: Request) -> None:
    """Without this, JSON would be told that everything is missing."""
    kind = http.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in ("multipart/form-data", "application/x-www-form-urlencoded"):
        message = "The body must be a form with the picture in it (multipart/form-data)."
        raise ApiError(415, "UnsupportedMediaType", message)


@router.post(
    "/edits",
    response_model=ImagesAnswer,
    responses={**_ANSWERS, **documented("openai", 415)},
    dependencies=[Depends(_only_forms)],
)
async def edits(
    body: Annotated[EditBody, Form()],
    desk: TheDesk,
    http: Request,
    image: Annotated[list[UploadFile], File()] = [],  # noqa: B006
    images: Annotated[list[UploadFile], File(alias="image[]")] = [],  # noqa: B006
    mask: Annotated[UploadFile | None, File()] = None,
) -> Response:
    """Make pictures from a picture and a prompt (image-to-image), and wait for them; with `stream`
    they are sent as events."""
    files = [*image, *images]
    if len(files) != 1:
        problem = Problem("image", None, f"must be one picture, not {len(files)}")
        raise ApiError(400, "InvalidRequestError", f"{problem}.", problems=[problem])
    if mask is not None:
        problem = Problem("mask", None, "there is no inpainting here. Leave it out")
        raise ApiError(400, "Unsupported", f"{problem}.", problems=[problem])
    request = await prepare(desk, body.values(), await files[0].read())
    return await _answer(body, request, desk, http)


async def _answer(
    body: ImagesBody, request: GenerationRequest, desk: Desk, http: Request
) -> Response:
    output = Output(format=body.output_format or "png")
    if body.stream:
        kind = "image_edit" if isinstance(body, EditBody) else "image_generation"
        job = submit(desk, request, output)
        return PictureStream(desk, job, body, kind, http.state.request_id)
    made = all_made(desk, await make(desk, http, request, output))
    if body.wants_links:
        quality = body.output_compression
        data = [
            ImageAnswer(url=_link(desk, http, each, quality), seed=each.seed)
            for each in made.pictures
        ]
    else:
        data = await asyncio.to_thread(_read_all, made, body.output_compression)
    text = await asyncio.to_thread(_as_json, body, made, data)
    return Response(text, media_type="application/json")


def _link(desk: Desk, http: Request, picture: Picture, quality: int | None) -> str:
    token = desk.links.make(picture.path, quality)
    return f"{str(http.base_url).rstrip('/')}{LINKS}{token}{picture.path.suffix}"


def _as_json(body: ImagesBody, made: Made, data: list[ImageAnswer]) -> str:
    assert made.record is not None
    first = made.record.images[0]
    return ImagesAnswer(
        created=int(time.time()),
        data=data,
        output_format=body.output_format or "png",
        size=f"{first.width}x{first.height}",
    ).model_dump_json(exclude_none=True)


def _read_all(made: Made, quality: int | None) -> list[ImageAnswer]:
    return [
        ImageAnswer(b64_json=picture_base64(picture.path, quality), seed=picture.seed)
        for picture in made.pictures
    ]
