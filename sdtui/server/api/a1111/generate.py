"""txt2img and img2img."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress

from fastapi import APIRouter, Request, Response

from sdtui.core.enums import PromptSyntax, UnusableLoras
from sdtui.core.errors import SdtuiError
from sdtui.jobs import Output, Pictures
from sdtui.requests.request import GenerationRequest
from sdtui.server.api.a1111.answers import ImagesAnswer, Part, asked_by, info_of, warnings_of
from sdtui.server.api.a1111.checkpoints import find_checkpoint
from sdtui.server.api.a1111.networks import known_networks
from sdtui.server.api.a1111.options import with_options
from sdtui.server.api.a1111.schemas import Img2ImgBody, Txt2ImgBody
from sdtui.server.api.a1111.xyz_grid import answer_grid
from sdtui.server.dependencies import ServerServices, ServicesDep
from sdtui.server.errors import ApiError, documented, from_sdtui
from sdtui.server.files import picture_base64
from sdtui.server.outcome_headers import not_applied_header, outcome_headers
from sdtui.server.routing import GenerationRoute
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


@router.post("/txt2img", response_model=ImagesAnswer, responses=_ERRORS)
async def txt2img(body: Txt2ImgBody, services: ServicesDep, http: Request) -> Response:
    """Generate pictures from a prompt and wait for them."""
    return await _answer(body, services, http)


@router.post("/img2img", response_model=ImagesAnswer, responses=_ERRORS)
async def img2img(body: Img2ImgBody, services: ServicesDep, http: Request) -> Response:
    """Generate pictures from a picture and a prompt and wait for them."""
    return await _answer(body, services, http)


async def _answer(body: Txt2ImgBody, services: ServerServices, http: Request) -> Response:
    body.check()
    script = body.script()
    if body.styles:
        body.leave_out_styles(await _style_names(services))
    values = {**services.a1111.options, **body.values()}
    values["model"] = await _model(services, body)
    values["unusable_loras"] = UnusableLoras.LEAVE_OUT
    if services.settings.prompt_syntax is PromptSyntax.A1111:
        networks = await asyncio.to_thread(
            known_networks, values.get("prompt", ""), services.backend.models
        )
        values["prompt"] = networks.prompt
        body.leave_out_networks(networks)
    output = body.output()
    # Clients leave the prompt empty, with img2img above all: it is their default.
    request = (await prepare(services, values, prompt_needed=False, is_compatible=True)).with_seed()
    if script is not None:
        return await answer_grid(body, script, services, http, request)
    parts = await _make(body, services, http, request, output)
    if not body.override_settings_restore_afterwards:
        if body.checkpoint() is not None:
            services.a1111.checkpoint = values["model"]
        services.a1111.options = await asyncio.to_thread(
            with_options, services, body.override_settings or {}
        )
    pictures = services.backend.pictures if body.send_images else None
    text = await asyncio.to_thread(_as_json, body, request, parts, pictures)
    headers = outcome_headers((part.record for part in parts), warnings_of(parts))
    headers |= not_applied_header(body.not_applied())
    return Response(text, media_type="application/json", headers=headers)


async def _style_names(services: ServerServices) -> set[str]:
    try:
        return {style.name for style in await asyncio.to_thread(services.backend.prompts.styles)}
    except SdtuiError as error:
        raise from_sdtui(error) from error


async def _model(services: ServerServices, body: Txt2ImgBody) -> str:
    """The model in the request's options, else that of the infotext if it is available, else the
    selected one."""
    title = body.checkpoint()
    named = body.imported.values.get("model")
    if title is None and named is not None:
        with suppress(ApiError):
            return await find_checkpoint(services, named)
    return await find_checkpoint(services, title)


async def _make(
    body: Txt2ImgBody,
    services: ServerServices,
    http: Request,
    request: GenerationRequest,
    output: Output,
) -> list[Part]:
    """Generate the pictures of a request. If a client skips, a new job makes the pictures after the
    skipped ones; if it interrupts, the answer has the pictures that are finished."""
    parts: list[Part] = []
    remaining: GenerationRequest | None = request
    front = False
    with holding_uploads(services, request):
        while remaining is not None:
            job = await submit(
                services, http, remaining, output, front=front, is_kept=body.save_images
            )
            front = True
            with asked_by(services, http, job.id):
                made = await wait_for(services, http, job)
                if made.record is not None and made.pictures:
                    parts.append(Part(made.record, made.pictures, made.warnings))
                was_skipped = job.id in services.a1111.skipped
                if not was_skipped and job.id not in services.a1111.interrupted:
                    all_made(services, made)
                goes_on = was_skipped and not services.closing.is_set()
                remaining = behind_skipped(body, remaining, made) if goes_on else None
    return parts


def behind_skipped(
    body: Txt2ImgBody, request: GenerationRequest, made: GenerationOutcome
) -> GenerationRequest | None:
    """The request for the pictures after a skipped iteration; None if there are none. Pictures of
    later iterations in the same batch are generated again."""
    done = (len(made.pictures) // body.batch_size + 1) * body.batch_size
    if made.event.kind != "cancelled" or done >= request.num_images_per_prompt:
        return None
    return request.without_first(done)


def _as_json(
    body: Txt2ImgBody, request: GenerationRequest, parts: list[Part], pictures: Pictures | None
) -> str:
    """Return the answer; without `pictures` they are left out."""
    made = [each.id for part in parts for each in part.pictures]
    return ImagesAnswer(
        images=[picture_base64(pictures, each) for each in made] if pictures else [],
        parameters=body.model_dump(mode="json", include=body.echoed()),
        info=json.dumps(info_of(body, request, parts), ensure_ascii=False),
    ).model_dump_json()
