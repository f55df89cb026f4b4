"""Image-to-image: pictures from a picture and a prompt."""

from __future__ import annotations

import asyncio
import math
from typing import Annotated

from fastapi import APIRouter, File, Form, Request, Response, UploadFile
from pydantic import BeforeValidator
from python_multipart.multipart import parse_options_header

from sdtui.core import runtime
from sdtui.core.errors import Problem
from sdtui.requests.request import LARGEST_SIDE, SIZE_MULTIPLE, SMALLEST_SIDE, GenerationRequest
from sdtui.server.api.openai.images import ANSWERS, ImagesAnswer, answer
from sdtui.server.api.openai.schemas import EditBody
from sdtui.server.dependencies import ServerServices, ServicesDep
from sdtui.server.errors import ApiError
from sdtui.server.routing import GenerationRoute, Handle
from sdtui.server.services.generation import prepare

_CHARSETS = (b"utf-8", b"utf8", b"us-ascii")


class _FormRoute(GenerationRoute):
    """Accepts only forms in UTF-8: FastAPI would report every field of a JSON body as missing, and
    some other codecs of Python take minutes for a megabyte."""

    def get_route_handler(self) -> Handle:
        """Called by FastAPI."""
        handle = super().get_route_handler()

        async def check_and_handle(request: Request) -> Response:
            _check_kind(request.headers.get("content-type", ""))
            return await handle(request)

        return check_and_handle


def _check_is_file(value: object) -> object:
    if isinstance(value, str):
        raise ValueError("must be a file: its part of the form needs a filename")
    return value


_Upload = Annotated[UploadFile, BeforeValidator(_check_is_file)]

router = APIRouter(prefix="/v1/images", tags=["OpenAI"], route_class=_FormRoute)


@router.post("/edits", response_model=ImagesAnswer, responses=ANSWERS)
async def edits(
    body: Annotated[EditBody, Form()],
    services: ServicesDep,
    http: Request,
    image: Annotated[list[_Upload], File()] = [],  # noqa: B006
    images: Annotated[list[_Upload], File(alias="image[]")] = [],  # noqa: B006
    mask: Annotated[_Upload | None, File()] = None,
    markup: Annotated[_Upload | None, File()] = None,
) -> Response:
    """Generate pictures from a picture and a prompt and wait for them; with `stream`, send them as
    events."""
    files = [*image, *images]
    if len(files) != 1:
        problem = Problem("image", None, f"must be one picture, not {len(files)}")
        raise ApiError(400, "InvalidRequestError", f"{problem}.", problems=[problem])
    if mask is not None or markup is not None:
        name, lack = ("markup", "markup") if mask is None else ("mask", "inpainting")
        problem = Problem(name, None, f"there is no {lack} here. Leave it out")
        raise ApiError(400, "Unsupported", f"{problem}.", problems=[problem])
    request = await _prepare(body, services, files[0])
    await asyncio.to_thread(runtime.return_free_memory)
    http.state.release_body()
    return await answer(body, request, services, http)


async def _prepare(body: EditBody, services: ServerServices, file: UploadFile) -> GenerationRequest:
    """Make the request, and drop the picture from memory."""
    data = await file.read()
    await file.close()
    values = body.values()
    if "width" not in values:
        values |= await asyncio.to_thread(_size_like, services, values.get("model"), data)
    return await prepare(services, {**values, "init_image": data}, is_compatible=True)


def _check_kind(content_type: str) -> None:
    kind, options = parse_options_header(content_type)
    if kind.lower() not in (b"multipart/form-data", b"application/x-www-form-urlencoded"):
        message = "The body must be a form with the picture in it (multipart/form-data)."
        raise ApiError(415, "UnsupportedMediaType", message)
    if options.get(b"charset", b"utf-8").lower() not in _CHARSETS:
        raise ApiError(415, "UnsupportedMediaType", "The form must be in UTF-8.")


def _size_like(services: ServerServices, model: str | None, data: bytes) -> dict[str, int]:
    """A size with the aspect ratio of the picture and about as many pixels as the model's native
    size. Raises SdtuiError for a damaged picture, and for a missing or damaged model."""
    width, height = services.uploads.check(data)
    native_width, native_height = services.models.native_size(services.models.resolve(model))
    scale = math.sqrt(native_width * native_height / (width * height))
    return {"width": _side(width * scale), "height": _side(height * scale)}


def _side(pixels: float) -> int:
    whole = round(pixels / SIZE_MULTIPLE) * SIZE_MULTIPLE
    return min(max(whole, SMALLEST_SIDE), LARGEST_SIDE)
