"""txt2img and img2img."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from fastapi import APIRouter, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from sdtui.core.enums import PromptSyntax, UnusableLoras
from sdtui.core.errors import SdtuiError
from sdtui.jobs import Pictures
from sdtui.requests.request import GenerationRequest
from sdtui.server.api.a1111.answers import ImagesAnswer, Part, asked_by, info_of, warnings_of
from sdtui.server.api.a1111.checkpoints import find_checkpoint
from sdtui.server.api.a1111.grid_answer import answer_grid
from sdtui.server.api.a1111.networks import known_networks
from sdtui.server.api.a1111.options import with_options
from sdtui.server.api.a1111.schemas import Img2ImgBody, Txt2ImgBody
from sdtui.server.api.a1111.scripts import LinesScript, MatrixScript, UpscaleScript
from sdtui.server.dependencies import ServerServices, ServicesDep
from sdtui.server.errors import GONE, ApiError, documented, from_sdtui
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
    if isinstance(script, LinesScript):
        return await _answer_lines(body, script, services, http)
    if isinstance(script, UpscaleScript):
        request = await _request_of(body, services, script)
        script = None
    else:
        request = await _request_of(body, services)
    if isinstance(script, MatrixScript):
        script = script.as_grid(request)
    if script is not None:
        answer = await answer_grid(body, script, services, http, request)
    else:
        with holding_uploads(services, request):
            await asyncio.to_thread(body.read_pictures, request)
            made = await _make(body, services, http, request)
        answer = await _response([body], services, request, made.parts)
    await _keep_options(body, services, request)
    return answer


async def _request_of(
    body: Txt2ImgBody, services: ServerServices, script: UpscaleScript | None = None
) -> GenerationRequest:
    """Return the request of a body, with its seeds; with the values of a script that upscales.
    Raises ApiError."""
    if body.styles:
        body.leave_out_styles(await _style_names(services))
    values = {**services.a1111.options, **body.values()}
    values["model"] = await _model(services, body)
    for name in ("hires_model", "refiner"):
        if values.get(name) is not None:
            values[name] = await find_checkpoint(services, values[name])
    values["unusable_loras"] = UnusableLoras.LEAVE_OUT
    if services.settings.prompt_syntax is PromptSyntax.A1111:
        networks = await asyncio.to_thread(
            known_networks, values.get("prompt", ""), services.backend.models
        )
        values["prompt"] = networks.prompt
        body.leave_out_networks(networks)
    if script is not None:
        found = await asyncio.to_thread(services.backend.models.upscalers)
        values = script.applied(values, [each.name for each in found if not each.problem])
    body.output()  # a wrong format is refused before uploads are stored
    # Clients leave the prompt empty, with img2img above all: it is their default.
    made = await prepare(services, values, prompt_needed=False, is_compatible=True)
    return made.with_seed()


async def _answer_lines(
    body: Txt2ImgBody, script: LinesScript, services: ServerServices, http: Request
) -> Response:
    """Generate the pictures of all lines, which are checked first, one line after the other. If the
    client interrupts, or a line fails, the answer has the pictures that are finished.

    Raises ApiError.
    """
    most = services.options.max_grid
    if not 0 < len(script.lines) <= most:
        message = f"The script takes 1 to {most} lines on this server, not {len(script.lines)}."
        raise ApiError(422, "InvalidRequestError", message)
    bodies = _bodies_of(body, script)
    requests: list[GenerationRequest] = []
    try:
        for each in bodies:
            each.check()
            requests.append(await _request_of(each, services))
    except ApiError:
        for request in requests:
            services.uploads.forget(request.input_images().values())
        raise
    parts: list[Part] = []
    errors: list[ApiError] = []
    with holding_uploads(services, *requests):
        for each, request in zip(bodies, requests, strict=True):
            try:
                made = await _make(each, services, http, request)
            except ApiError as error:
                if error.status_code == GONE or services.closing.is_set():
                    raise
                errors.append(error)
                continue
            parts += made.parts
            if made.is_interrupted:
                break
    if errors and not parts:
        raise errors[0]
    return await _response(bodies, services, requests[0], parts, [each.message for each in errors])


def _bodies_of(body: Txt2ImgBody, script: LinesScript) -> list[Txt2ImgBody]:
    """Return the body of each line. Raises RequestValidationError."""
    count = body.batch_size * body.n_iter
    shared = body.model_dump(include={"prompt", "negative_prompt", "seed"})
    bodies = []
    for number, changes in enumerate(script.changes(shared, count), 1):
        try:
            bodies.append(body.with_changes(changes))
        except ValidationError as error:
            where = ("body", f"line {number} of the script")
            found = [{**each, "loc": (*where, *each["loc"])} for each in error.errors()]
            raise RequestValidationError(found) from error
    return bodies


async def _keep_options(
    body: Txt2ImgBody, services: ServerServices, request: GenerationRequest
) -> None:
    """Let the model and options of a request hold for later ones, if it asks for that."""
    if body.override_settings_restore_afterwards:
        return
    options = body.override_settings or {}
    services.a1111.options = await asyncio.to_thread(with_options, services, options)
    if body.checkpoint() is not None:
        services.a1111.checkpoint = request.model


async def _response(
    bodies: Sequence[Txt2ImgBody],
    services: ServerServices,
    request: GenerationRequest,
    parts: list[Part],
    failures: Sequence[str] = (),
) -> Response:
    """Return the answer; `bodies` are those of all lines of a script, else the only one, and
    `failures` say why some lines have no pictures."""
    pictures = services.backend.pictures if bodies[0].send_images else None
    warnings = _of_all([warnings_of(parts), failures])
    text = await asyncio.to_thread(_as_json, bodies, request, parts, warnings, pictures)
    headers = outcome_headers((part.record for part in parts), warnings)
    headers |= not_applied_header(_of_all(each.not_applied() for each in bodies))
    return Response(text, media_type="application/json", headers=headers)


def _of_all(lists: Iterable[Iterable[str]]) -> list[str]:
    """Return the texts of lists, each once."""
    return list(dict.fromkeys(text for each in lists for text in each))


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


@dataclass
class _Made:
    """What came of a request."""

    parts: list[Part] = field(default_factory=list)
    is_interrupted: bool = False


async def _make(
    body: Txt2ImgBody,
    services: ServerServices,
    http: Request,
    request: GenerationRequest,
) -> _Made:
    """Generate the pictures of a request. If a client skips, a new job makes the pictures after the
    skipped ones; if it interrupts, the answer has the pictures that are finished."""
    result = _Made()
    remaining: GenerationRequest | None = request
    front = False
    while remaining is not None:
        job = await submit(
            services, http, remaining, body.output(), front=front, is_kept=body.save_images
        )
        front = True
        with asked_by(services, http, job.id):
            made = await wait_for(services, http, job)
            if made.record is not None and made.pictures:
                result.parts.append(Part(made.record, made.pictures, made.warnings))
            was_skipped = job.id in services.a1111.skipped
            result.is_interrupted = job.id in services.a1111.interrupted
            if not was_skipped and not result.is_interrupted:
                all_made(services, made)
            goes_on = was_skipped and not services.closing.is_set()
            remaining = behind_skipped(body, remaining, made) if goes_on else None
    return result


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
    bodies: Sequence[Txt2ImgBody],
    request: GenerationRequest,
    parts: list[Part],
    warnings: list[str],
    pictures: Pictures | None,
) -> str:
    """Return the answer; without `pictures` they are left out."""
    made = [each.id for part in parts for each in part.pictures]
    first = bodies[0]
    info = info_of(first, request, parts) | {"warnings": warnings}
    for name, found in (
        ("not_applied", (each.not_applied() for each in bodies)),
        ("comments", (each.comments() for each in bodies)),
    ):
        info[name] = _of_all([info[name], *found])
    images = [picture_base64(pictures, each) for each in made] if pictures else []
    if pictures and made and any(unit.save_detected_map for unit in first.control_units):
        maps = pictures.attachments(made[0])
        images += [base64.b64encode(each).decode() for each in maps]
    return ImagesAnswer(
        images=images,
        parameters=first.model_dump(mode="json", include=first.echoed()),
        info=json.dumps(info, ensure_ascii=False),
    ).model_dump_json()
