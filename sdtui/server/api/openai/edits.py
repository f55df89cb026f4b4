"""Image-to-image: pictures from a picture and a prompt."""

from __future__ import annotations

import asyncio
import io
import math
from typing import Annotated

from fastapi import APIRouter, File, Form, Request, Response, UploadFile
from pydantic import BeforeValidator
from python_multipart.multipart import parse_options_header

from sdtui.core import runtime
from sdtui.core.errors import Problem, SdtuiError
from sdtui.core.pictures.masks import is_empty
from sdtui.requests.input_images import transparency_in
from sdtui.requests.request import LARGEST_SIDE, SIZE_MULTIPLE, SMALLEST_SIDE, GenerationRequest
from sdtui.server.api.openai.images import ANSWERS, ImagesAnswer, answer
from sdtui.server.api.openai.schemas import EditBody
from sdtui.server.dependencies import ServerServices, ServicesDep
from sdtui.server.errors import ApiError, from_sdtui
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
    if markup is not None:
        problem = Problem("markup", None, "there is no markup here. Leave it out")
        raise ApiError(400, "Unsupported", f"{problem}.", problems=[problem])
    request = await _prepare(body, services, files[0], mask)
    await asyncio.to_thread(runtime.return_free_memory)
    http.state.release_body()
    return await answer(body, request, services, http)


async def _prepare(
    body: EditBody, services: ServerServices, file: UploadFile, mask: UploadFile | None
) -> GenerationRequest:
    """Make the request, and drop the pictures from memory."""
    data = await file.read()
    await file.close()
    values = {**body.values(), "init_image": data}
    if mask is not None:
        values["mask_image"] = await asyncio.to_thread(_mask_in, services, await mask.read())
        await mask.close()
    elif "width" not in values:
        values |= await asyncio.to_thread(_size_like, services, values.get("model"), data)
    return await prepare(services, values, is_compatible=True)


def _mask_in(services: ServerServices, data: bytes) -> bytes:
    """Return a mask of OpenAI's kind, in which what is transparent is repainted, as a PNG in which
    that is white. Raises ApiError."""
    try:
        services.uploads.check(data)
        mask = transparency_in(data)
    except SdtuiError as error:
        raise from_sdtui(error) from error
    if is_empty(mask):
        problem = Problem("mask", None, "nothing in it is transparent, so nothing would be edited")
        raise ApiError(400, "InvalidRequestError", f"{problem}.", problems=[problem])
    encoded = io.BytesIO()
    mask.save(encoded, "PNG")
    return encoded.getvalue()


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
