"""Upscaling under A1111's names: extra-single-image and extra-batch-images."""

from __future__ import annotations

import asyncio
import html
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from sdtui.core.upscaler_names import built_in_name
from sdtui.server.api.a1111.answers import asked_by
from sdtui.server.dependencies import ServerServices, ServicesDep
from sdtui.server.errors import ApiError, documented
from sdtui.server.examples import EXAMPLE_PICTURE
from sdtui.server.files import picture_base64
from sdtui.server.ignored_fields import IgnoredFields
from sdtui.server.outcome_headers import not_applied_header, outcome_headers
from sdtui.server.routing import GenerationRoute
from sdtui.server.services.a1111_state import Place
from sdtui.server.services.generation import (
    GenerationOutcome,
    all_made,
    holding_uploads,
    prepare,
    submit,
    wait_for,
)

router = APIRouter(prefix="/sdapi/v1", tags=["AUTOMATIC1111"], route_class=GenerationRoute)
_ERRORS = documented("a1111", 404, 408, 410, 429, 502, 503, 507)
_IGNORED = IgnoredFields(
    harmless=frozenset(("show_extras_results", "upscale_first", "codeformer_weight", "rb_enabled"))
)
_MOST_PICTURES = 64
_TO_SIZE = 1
"""The resize_mode that takes width and height in place of a factor."""


class _ExtrasBody(BaseModel):
    """How pictures are upscaled."""

    model_config = ConfigDict(use_attribute_docstrings=True, extra="allow")

    resize_mode: int = Field(0, ge=0, le=1)
    """0 = by `upscaling_resize`, 1 = to `upscaling_resize_w` and `upscaling_resize_h`."""
    upscaling_resize: float = Field(2, ge=1, le=8)
    upscaling_resize_w: int = Field(512, ge=1, le=16_384)
    upscaling_resize_h: int = Field(512, ge=1, le=16_384)
    upscaling_crop: bool = True
    """Cut off what is beyond the size."""
    upscaler_1: str = Field("None", max_length=1000)
    """One of `/upscalers`; None leaves the size as it is."""
    upscaler_2: str = Field("None", max_length=1000)
    extras_upscaler_2_visibility: float = Field(0, ge=0, le=1)
    gfpgan_visibility: float | None = Field(0, ge=0, le=1)
    codeformer_visibility: float | None = Field(0, ge=0, le=1)
    """There are no face restorers here: above 0 they are named in the answer."""

    def values(self) -> dict[str, Any]:
        """The fields of a request, without the picture."""
        values: dict[str, Any] = {"prompt": "", "upscaler": self.upscaler_1}
        if not _is_none(self.upscaler_1):
            if self.resize_mode == _TO_SIZE:
                values["upscale_width"] = self.upscaling_resize_w
                values["upscale_height"] = self.upscaling_resize_h
                values["upscale_crop"] = self.upscaling_crop
            else:
                values["upscale_factor"] = self.upscaling_resize
        if not _is_none(self.upscaler_2) and self.extras_upscaler_2_visibility > 0:
            values["second_upscaler"] = self.upscaler_2
            values["second_upscaler_visibility"] = self.extras_upscaler_2_visibility
        return values

    def not_applied(self) -> list[str]:
        """The names of the fields that would have changed the pictures in A1111."""
        restorers = ("gfpgan_visibility", "codeformer_visibility")
        given = {name: getattr(self, name) for name in restorers}
        return _IGNORED.named({**given, **(self.model_extra or {})})


class ExtrasBody(_ExtrasBody):
    """A picture that is upscaled."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"image": EXAMPLE_PICTURE}]})

    image: str = ""
    """As base64 or a data URL."""


class FileBody(BaseModel):
    """A picture of a batch."""

    data: str
    """As base64 or a data URL."""
    name: str = ""


class ExtrasBatchBody(_ExtrasBody):
    """Pictures that are upscaled."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"imageList": [{"data": EXAMPLE_PICTURE}]}]}
    )

    image_list: list[FileBody] = Field(alias="imageList", max_length=_MOST_PICTURES)


class ExtrasAnswer(BaseModel):
    """The upscaled picture."""

    html_info: str
    image: str


class ExtrasBatchAnswer(BaseModel):
    """The upscaled pictures."""

    html_info: str
    images: list[str]


@router.post("/extra-single-image", response_model=ExtrasAnswer, responses=_ERRORS)
async def extra_single_image(body: ExtrasBody, services: ServicesDep, http: Request) -> Response:
    """Upscale a picture and wait for it."""
    made = await _upscaled(body, services, http, [body.image])
    (image,) = await _pictures(services, made)
    return _answer(body, made, ExtrasAnswer(html_info=_info(body), image=image))


@router.post("/extra-batch-images", response_model=ExtrasBatchAnswer, responses=_ERRORS)
async def extra_batch_images(
    body: ExtrasBatchBody, services: ServicesDep, http: Request
) -> Response:
    """Upscale several pictures, which are checked first, and wait for them."""
    made = await _upscaled(body, services, http, [each.data for each in body.image_list])
    images = await _pictures(services, made)
    return _answer(body, made, ExtrasBatchAnswer(html_info=_info(body), images=images))


async def _upscaled(
    body: _ExtrasBody, services: ServerServices, http: Request, pictures: Sequence[str]
) -> list[GenerationOutcome]:
    """Upscale pictures, one after the other. Raises ApiError, if one can't be used before any is
    upscaled."""
    made = []
    with ExitStack() as held:
        requests = []
        for picture in pictures:
            if not picture:
                raise ApiError(422, "Unprocessable", "There is no picture: send one as base64.")
            values = {**body.values(), "upscale_image": picture}
            requests.append(await prepare(services, values, prompt_needed=False))
            held.enter_context(holding_uploads(services, requests[-1]))
        for number, request in enumerate(requests):
            job = await submit(services, http, request)
            with asked_by(services, http, job.id, Place(number, len(requests))):
                made.append(all_made(services, await wait_for(services, http, job)))
    return made


async def _pictures(services: ServerServices, made: list[GenerationOutcome]) -> list[str]:
    def read() -> list[str]:
        pictures = (picture for outcome in made for picture in outcome.pictures)
        return [picture_base64(services.backend.pictures, each.id) for each in pictures]

    return await asyncio.to_thread(read)


def _answer(body: _ExtrasBody, made: list[GenerationOutcome], answer: BaseModel) -> Response:
    records = (each.record for each in made if each.record is not None)
    headers = outcome_headers(records, (text for each in made for text in each.warnings))
    headers |= not_applied_header(body.not_applied())
    return Response(answer.model_dump_json(), media_type="application/json", headers=headers)


def _info(body: _ExtrasBody) -> str:
    """Return what A1111 shows below the pictures, as HTML."""
    lines = [f"{name}: not applied, sdtui has no such thing" for name in body.not_applied()]
    return "".join(f"<p>{html.escape(line)}</p>" for line in lines)


def _is_none(upscaler: str) -> bool:
    return not upscaler or built_in_name(upscaler) == "None"
