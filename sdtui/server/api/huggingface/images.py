"""Pictures from prompts and from pictures. The answer is the picture itself."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Response
from pydantic import ValidationError

from sdtui.core.errors import SdtuiError
from sdtui.jobs import Output
from sdtui.requests.request import GenerationRequest
from sdtui.server.api.huggingface.schemas import ImageBody
from sdtui.server.bodies import StrictRequest
from sdtui.server.dependencies import ServerServices, ServicesDep
from sdtui.server.errors import ApiError, documented, from_sdtui, from_validation
from sdtui.server.outcome_headers import not_applied_header
from sdtui.server.routing import GenerationRoute
from sdtui.server.services.generation import all_made, make, prepare
from sdtui.server.services.init_images import size_like

router = APIRouter(tags=["Hugging Face"], route_class=GenerationRoute)
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"content": {"image/*": {"schema": {"type": "string", "format": "binary"}}}},
    **documented("huggingface", 404, 408, 410, 429, 502, 503, 507),
}
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": ImageBody.model_json_schema()},
            "image/*": {"schema": {"type": "string", "format": "binary"}},
        },
    }
}
_FORMATS: Mapping[str, Literal["png", "jpeg", "webp"]] = {
    "image/png": "png",
    "image/jpeg": "jpeg",
    "image/webp": "webp",
}


@router.post("/", response_class=Response, responses=_ANSWERS, openapi_extra=_BODY)
async def default_model(services: ServicesDep, http: StrictRequest) -> Response:
    """Make a picture with the server's model, for clients that know the server as an endpoint."""
    return await _answer(services, http, None)


@router.post(
    "/models/{model:path}", response_class=Response, responses=_ANSWERS, openapi_extra=_BODY
)
async def named_model(
    model: Annotated[str, Path(max_length=300, examples=["pocket"])],
    services: ServicesDep,
    http: StrictRequest,
) -> Response:
    """Make a picture with a model, from a prompt or from a picture."""
    return await _answer(services, http, model)


async def _answer(services: ServerServices, http: StrictRequest, model: str | None) -> Response:
    request, headers = await _prepared(services, http, model)
    media_type = next((each for each in _FORMATS if each in http.headers.get("accept", "")), None)
    output = Output(format=_FORMATS[media_type or "image/png"])
    made = all_made(services, await make(services, http, request, output))
    picture = made.pictures[0]
    data = await asyncio.to_thread(services.backend.pictures.read, picture.id)
    headers |= {"X-Seed": str(picture.seed), "X-Job": made.job, **made.headers()}
    return Response(data, media_type=media_type or "image/png", headers=headers)


async def _prepared(
    services: ServerServices, http: StrictRequest, model: str | None
) -> tuple[GenerationRequest, dict[str, str]]:
    """Return the request, and the header that names what has no effect.

    A picture that was sent is a file from here on; its bytes aren't kept while the job waits.
    """
    body, values = await _read(http)
    if model is not None:
        values["model"] = model
    if "init_image" in values and not values.keys() & {"width", "height", "mask_image", "outpaint"}:
        values |= await asyncio.to_thread(_size_like, services, values)
    request = await prepare(services, values, is_compatible=True)
    if request.num_images_per_prompt > 1:
        services.uploads.forget(request.input_images().values())
        raise ApiError(400, "InvalidRequestError", "The answer is one picture: ask for one.")
    return request, not_applied_header(body.not_applied())


async def _read(http: StrictRequest) -> tuple[ImageBody, dict[str, Any]]:
    """Return the body and the values of the request: JSON, or a picture alone. Raises ApiError."""
    if picture := await http.picture():
        return ImageBody(inputs=""), {"init_image": picture, "prompt": ""}
    try:
        body = ImageBody.model_validate(await http.json())
        return body, body.values(http.received)
    except ValidationError as error:
        raise from_validation(error.errors()) from error


def _size_like(services: ServerServices, values: Mapping[str, Any]) -> dict[str, int]:
    """Return the size for the picture in these values. Raises ApiError."""
    picture = values["init_image"]
    try:
        data = services.uploads.read(picture) if isinstance(picture, str) else picture
        return size_like(services, values.get("model"), data)
    except SdtuiError as error:
        raise from_sdtui(error) from error
