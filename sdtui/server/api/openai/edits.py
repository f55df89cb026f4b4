"""Image-to-image: pictures from a picture and a prompt."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, File, Form, Request, Response

from sdtui.core import runtime
from sdtui.core.errors import SdtuiError
from sdtui.core.picture_entries import EntryError, IPAdapterEntry
from sdtui.core.pictures.masks import is_empty
from sdtui.requests.input_images import transparency_in
from sdtui.requests.request import REQUEST_FIELDS, GenerationRequest
from sdtui.server.api.openai.forms import FormRoute, Upload, read_upload, refused
from sdtui.server.api.openai.images import ANSWERS, ImagesAnswer, answer, for_deployment
from sdtui.server.api.openai.schemas import IMAGE, EditBody
from sdtui.server.dependencies import ServerServices, ServicesDep
from sdtui.server.errors import ApiError
from sdtui.server.services.generation import prepare
from sdtui.server.services.init_images import counted_on, size_like

_MOST_PICTURES = 16
"""OpenAI's limit."""
router = APIRouter(prefix="/images", tags=["OpenAI"], route_class=FormRoute)


@router.post("/edits", response_model=ImagesAnswer, responses=ANSWERS)
async def edits(
    body: Annotated[EditBody, Form()],
    services: ServicesDep,
    http: Request,
    image: Annotated[list[Upload], File()] = [],  # noqa: B006
    images: Annotated[list[Upload], File(alias="image[]")] = [],  # noqa: B006
    mask: Annotated[Upload | None, File()] = None,
    markup: Annotated[Upload | None, File()] = None,
) -> Response:
    """Generate pictures from pictures and a prompt and wait for them; with `stream`, send them as
    events. Of several pictures, IP-Adapters take those after the first, and else models that take
    several references; with other models each is edited, and the mask is for the first."""
    del image, images  # the form has them in their order, also as image[0]
    form = await http.form()
    files = [each for name, each in form.multi_items() if IMAGE.fullmatch(name)]
    if not 1 <= len(files) <= _MOST_PICTURES:
        raise refused("image", f"must be 1 to {_MOST_PICTURES} pictures, not {len(files)}")
    if len(form.getlist("mask")) > 1:
        raise refused("mask", f"must be one picture, not {len(form.getlist('mask'))}")
    if markup is not None:
        raise refused("markup", "there is no markup here. Leave it out", "Unsupported")
    pictures = [await read_upload(each) for each in files]
    masked = None if mask is None else await read_upload(mask)
    body = for_deployment(body, http)
    requests = await _prepare_all(body, services, pictures, masked)
    del pictures
    await asyncio.to_thread(runtime.return_free_memory)
    http.state.release_body()
    return await answer(body, requests, services, http)


async def _prepare_all(
    body: EditBody, services: ServerServices, pictures: Sequence[bytes], mask: bytes | None
) -> list[GenerationRequest]:
    """Return the requests, whose seeds count up. Raises ApiError."""
    first, *others = pictures
    shared = body.values()
    adapters = entries_for(shared.get("ip_adapters") or (), others)
    if adapters:
        shared["ip_adapters"], others = adapters, []
    elif others and await _takes_references(services, shared.get("model")):
        shared["references"], others = others, []
    count = shared.get("num_images_per_prompt", 1)
    _check_count(1 + len(others), count, services.options.max_pictures)
    requests = [await _prepare(services, shared, first, mask)]
    requests[0] = requests[0].with_seed()
    try:
        unmasked = shared if mask is None else _without_mask(shared)
        for number, each in enumerate(others, 1):
            made = await _prepare(services, unmasked, each, None)
            requests.append(counted_on(made, requests[0], done=number * count, count=count))
    except (ApiError, SdtuiError):
        for request in requests:
            services.uploads.forget(request.input_images().values())
        raise
    return requests


async def _takes_references(services: ServerServices, model: str | None) -> bool:
    """Return whether a model makes one picture of several. Raises SdtuiError."""
    resolved = services.models.resolve(model)
    return await asyncio.to_thread(services.models.takes_references, resolved)


def _check_count(pictures: int, count: int, most: int) -> None:
    """Raise ApiError if `count` results of each picture are more than `most`."""
    if pictures > most:
        raise refused("image", f"must be at most {most} pictures on this server, not {pictures}")
    if pictures * count > most:
        message = f"for {pictures} pictures must be at most {most // pictures} on this server"
        raise refused("n", f"{message}, not {count}")


async def _prepare(
    services: ServerServices, shared: Mapping[str, Any], picture: bytes, mask: bytes | None
) -> GenerationRequest:
    """Return the request for a picture. Raises ApiError."""
    values = {**shared, "init_image": picture}
    if mask is not None:
        values["mask_image"] = await asyncio.to_thread(_mask_in, services, mask)
    elif not values.keys() & {"width", "outpaint"}:
        values |= await asyncio.to_thread(size_like, services, values.get("model"), picture)
    return await prepare(services, values, is_compatible=True)


def _without_mask(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values without those that have no meaning without a mask."""
    orphans = REQUEST_FIELDS.orphans({**values, "init_image": b""})
    return {name: value for name, value in values.items() if name not in orphans}


def entries_for(adapters: Sequence[str], pictures: Sequence[bytes]) -> list[dict[str, Any]]:
    """Return IP-Adapters with pictures: each picture goes to one of them, in turn, and each adapter
    gets one. Empty if there are no pictures, or the adapters have some."""
    try:
        entries = [IPAdapterEntry.parse(each) for each in adapters]
    except EntryError:
        return []  # which says what is wrong when the request is made
    if not entries or not pictures or any(each.image for each in entries):
        return []
    return [
        {
            **asdict(entries[number % len(entries)]),
            "image": pictures[number % len(pictures)],
        }
        for number in range(max(len(entries), len(pictures)))
    ]


def _mask_in(services: ServerServices, data: bytes) -> bytes:
    """Return a mask of OpenAI's kind, in which what is transparent is repainted, as a PNG in which
    that is white. Raises ApiError."""
    try:
        services.uploads.check(data)
        mask = transparency_in(data)
    except SdtuiError as error:
        raise refused("mask", str(error).rstrip("."), type(error).__name__) from error
    if is_empty(mask):
        raise refused("mask", "nothing in it is transparent, so nothing would be edited")
    encoded = io.BytesIO()
    mask.save(encoded, "PNG")
    return encoded.getvalue()
