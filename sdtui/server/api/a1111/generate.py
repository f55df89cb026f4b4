"""txt2img and img2img."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

from fastapi import APIRouter, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from sdtui.core.enums import PromptSyntax, UnusableLoras
from sdtui.core.errors import SdtuiError
from sdtui.jobs import Pictures
from sdtui.requests.request import GenerationRequest
from sdtui.server.api.a1111.answers import ImagesAnswer, Part, info_of, warnings_of
from sdtui.server.api.a1111.checkpoints import find_checkpoint
from sdtui.server.api.a1111.grid_answer import answer_grid
from sdtui.server.api.a1111.img2img_body import Img2ImgBody
from sdtui.server.api.a1111.networks import known_networks
from sdtui.server.api.a1111.options import with_options
from sdtui.server.api.a1111.runs import make_each
from sdtui.server.api.a1111.schemas import Txt2ImgBody
from sdtui.server.api.a1111.scripts import LinesScript, MatrixScript, UpscaleScript
from sdtui.server.dependencies import ServerServices, ServicesDep
from sdtui.server.errors import ApiError, documented, from_sdtui
from sdtui.server.files import picture_base64
from sdtui.server.outcome_headers import not_applied_header, outcome_headers
from sdtui.server.routing import GenerationRoute
from sdtui.server.services.generation import holding_uploads, prepare
from sdtui.server.services.init_images import with_each_init_image

router = APIRouter(prefix="/sdapi/v1", tags=["AUTOMATIC1111"], route_class=GenerationRoute)
_ERRORS = documented("a1111", 404, 408, 410, 429, 502, 503, 507)
_PROMPTS = ("prompt", "hires_prompt")
"""The fields whose tags name LoRAs."""


@router.post("/txt2img", response_model=ImagesAnswer, responses=_ERRORS)
async def txt2img(body: Txt2ImgBody, services: ServicesDep, http: Request) -> Response:
    """Generate pictures from a prompt and wait for them."""
    with services.a1111.tasks.unfinished(body.force_task_id):
        return await _answer(body, services, http)


@router.post("/img2img", response_model=ImagesAnswer, responses=_ERRORS)
async def img2img(body: Img2ImgBody, services: ServicesDep, http: Request) -> Response:
    """Generate pictures from a picture and a prompt and wait for them."""
    with services.a1111.tasks.unfinished(body.force_task_id):
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
        answer = await _answer_each(body, services, http, request)
    await _keep_options(body, services, request)
    return answer


async def _answer_each(
    body: Txt2ImgBody, services: ServerServices, http: Request, request: GenerationRequest
) -> Response:
    """Generate the pictures of a request, one after the other if they have init images of their
    own. Raises ApiError."""
    requests = await with_each_init_image(services, request, body.more_init_images())
    with holding_uploads(services, *requests):
        await asyncio.to_thread(body.read_pictures, requests)
        made = await make_each(services, http, [(body, each) for each in requests])
    return await _response([body], services, request, made.parts)


async def _request_of(
    body: Txt2ImgBody, services: ServerServices, script: UpscaleScript | None = None
) -> GenerationRequest:
    """Return the request of a body, with its seeds; with the values of a script that upscales.
    Raises ApiError."""
    if body.styles:
        body.leave_out_styles(await _style_names(services))
    try:
        await asyncio.to_thread(body.read_uploads, services.uploads)
    except SdtuiError as error:
        raise from_sdtui(error) from error
    model = await _model(services, body)
    if body.more_init_images() and await _ask(services.models.takes_references, model):
        body.combine_init_images()
    if body.distilled_cfg_scale is not None and await _ask(services.models.has_true_cfg, model):
        body.use_true_cfg()
    if body.enable_hr and not await _ask(services.models.enlarges_latents, model):
        body.leave_upscaler_open()
    values = {**services.a1111.options, **body.values(), "model": model}
    for name in ("hires_model", "refiner"):
        if values.get(name) is None:
            continue
        try:
            values[name] = await find_checkpoint(services, values[name])
        except ApiError:
            if values[name] != body.imported.values.get(name):
                raise
            del values[name]  # the answer says that it isn't applied
    values["unusable_loras"] = UnusableLoras.LEAVE_OUT
    if services.settings.prompt_syntax is PromptSyntax.A1111:
        prompts = {name: text for name in _PROMPTS if (text := values.get(name))}
        networks = await asyncio.to_thread(known_networks, prompts, services.backend.models)
        values |= networks.prompts
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
    with holding_uploads(services, *requests):
        await asyncio.to_thread(bodies[0].read_pictures, requests)
        made = await make_each(
            services, http, list(zip(bodies, requests, strict=True)), goes_on=True
        )
    failures = [each.message for each in made.errors]
    return await _response(bodies, services, requests[0], made.parts, failures)


def _bodies_of(body: Txt2ImgBody, script: LinesScript) -> list[Txt2ImgBody]:
    """Return the body of each line. Raises RequestValidationError."""
    count = body.at_once() * body.n_iter
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


async def _ask(question: Callable[[str], bool], model: str) -> bool:
    """Return what a method that reads configs says of a model. Raises ApiError."""
    try:
        return await asyncio.to_thread(question, model)
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
        sources = made[: 1 + len(first.more_init_images())]
        maps = (each for source in sources for each in pictures.attachments(source))
        images += [base64.b64encode(each).decode() for each in maps]
    return ImagesAnswer(
        images=images,
        parameters=first.model_dump(mode="json", include=first.echoed()),
        info=json.dumps(info, ensure_ascii=False),
    ).model_dump_json()
