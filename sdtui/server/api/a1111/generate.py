"""txt2img and img2img."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from sdtui import __version__
from sdtui.core.samplers import sampler_and_schedule
from sdtui.history import write_infotext
from sdtui.jobs import Output, Pictures
from sdtui.requests.record import GenerationRecord
from sdtui.requests.request import RANDOM_SEED, REQUEST_FIELDS, GenerationRequest
from sdtui.server.api.a1111.checkpoints import find_checkpoint
from sdtui.server.api.a1111.options import OptionsAnswer
from sdtui.server.api.a1111.schemas import Img2ImgBody, Txt2ImgBody
from sdtui.server.api.a1111.strength import with_strength
from sdtui.server.dependencies import ServerServices, ServicesDep
from sdtui.server.dialects import names_in
from sdtui.server.errors import GONE, ApiError, documented
from sdtui.server.files import picture_base64
from sdtui.server.outcome_headers import not_applied_header, outcome_headers
from sdtui.server.routing import GenerationRoute
from sdtui.server.services.client_jobs import client_address
from sdtui.server.services.generation import (
    GenerationOutcome,
    Picture,
    all_made,
    holding_uploads,
    prepare,
    submit,
    wait_for,
)

router = APIRouter(prefix="/sdapi/v1", tags=["AUTOMATIC1111"], route_class=GenerationRoute)
_ERRORS = documented("a1111", 404, 408, 410, 429, 502, 503, 507)


class ImagesAnswer(BaseModel):
    """The pictures."""

    images: list[str]
    """Files as base64, PNG or the format in `samples_format`."""
    parameters: dict[str, Any]
    """The fields of the request."""
    info: str
    """The values that were used, as a JSON text."""


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
    values = body.values()
    values["model"] = await _model(services, body)
    output = body.output()
    # Clients leave the prompt empty, with img2img above all: it is their default.
    request = (await prepare(services, values, prompt_needed=False, is_compatible=True)).with_seed()
    parts = await _make(body, services, http, request, output)
    if body.checkpoint() is not None and not body.override_settings_restore_afterwards:
        services.a1111.checkpoint = values["model"]
    pictures = services.backend.pictures if body.send_images else None
    text = await asyncio.to_thread(_as_json, body, request, parts, pictures)
    headers = outcome_headers((part.record for part in parts), _warnings(parts))
    headers |= not_applied_header(body.not_applied())
    return Response(text, media_type="application/json", headers=headers)


async def _model(services: ServerServices, body: Txt2ImgBody) -> str:
    """The model in the request's options, else that of the infotext if it is available, else the
    selected one."""
    title = body.checkpoint()
    named = body.imported.values.get("model")
    if title is None and named is not None:
        with suppress(ApiError):
            return await find_checkpoint(services, named)
    return await find_checkpoint(services, title)


@dataclass(frozen=True)
class _Part:
    """Pictures of a request, with the record of their job."""

    record: GenerationRecord
    pictures: tuple[Picture, ...]
    warnings: tuple[str, ...]


async def _make(
    body: Txt2ImgBody,
    services: ServerServices,
    http: Request,
    request: GenerationRequest,
    output: Output,
) -> list[_Part]:
    """Generate the pictures of a request. If a client skips, a new job makes the pictures after the
    skipped ones; if it interrupts, the answer has the pictures that are finished."""
    parts: list[_Part] = []
    remaining: GenerationRequest | None = request
    front = False
    with holding_uploads(services, request):
        while remaining is not None:
            job = submit(services, http, remaining, output, front=front, is_kept=body.save_images)
            front = True
            with _asked_by(services, http, job.id):
                made = await wait_for(services, http, job)
                if made.record is not None and made.pictures:
                    parts.append(_Part(made.record, made.pictures, made.warnings))
                was_skipped = job.id in services.a1111.skipped
                if not was_skipped and job.id not in services.a1111.interrupted:
                    all_made(services, made)
                goes_on = was_skipped and not services.closing.is_set()
                remaining = behind_skipped(body, remaining, made) if goes_on else None
    return parts


@contextmanager
def _asked_by(services: ServerServices, http: Request, job: str) -> Iterator[None]:
    """Store the client of a job until the job has ended."""
    state = services.a1111
    state.clients[job] = client_address(http)
    try:
        yield
    except ApiError as error:
        if error.status_code == GONE:
            state.note_hang_up(client_address(http))
        raise
    finally:
        del state.clients[job]
        state.interrupted.discard(job)
        state.skipped.discard(job)


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
    body: Txt2ImgBody, request: GenerationRequest, parts: list[_Part], pictures: Pictures | None
) -> str:
    """Return the answer; without `pictures` they are left out."""
    made = [each.id for part in parts for each in part.pictures]
    return ImagesAnswer(
        images=[picture_base64(pictures, each) for each in made] if pictures else [],
        parameters=body.model_dump(mode="json", include=body.echoed()),
        info=json.dumps(_info(body, request, parts), ensure_ascii=False),
    ).model_dump_json()


def _warnings(parts: list[_Part]) -> list[str]:
    return list(dict.fromkeys(each for part in parts for each in part.warnings))


def _info(body: Txt2ImgBody, request: GenerationRequest, parts: list[_Part]) -> dict[str, Any]:
    """How the pictures were made, under A1111's names."""
    pictures = [each for part in parts for each in part.pictures]
    seeds = [each.seed for each in pictures]
    requested = parts[0].record.request if parts else request
    strength = body.strength()
    info: dict[str, Any] = {
        "all_prompts": [requested.prompt] * len(pictures),
        "all_negative_prompts": [requested.negative_prompt] * len(pictures),
        "all_seeds": seeds,
        "batch_size": body.batch_size,
        "restore_faces": False,
        "face_restoration_model": None,
        "extra_generation_params": {},
        "index_of_first_image": 0,
        "styles": [],
        "is_using_inpainting_conditioning": False,
        "not_applied": body.not_applied(),
        "warnings": _warnings(parts),
        "infotexts": [
            write_infotext(with_strength(part.record.of_image(each.index), strength))
            for part in parts
            for each in part.pictures
        ],
        **_named_values(parts[0].record.values() if parts else request.values()),
    }
    info |= _variation(info, parts, seeds)
    if strength is not None:
        info["denoising_strength"] = strength
    if not parts:  # interrupted before the first picture was finished
        return info | {"sd_model_name": request.model, "version": f"sdtui {__version__}"}
    info |= _info_of_record(parts[0].record)
    cut = {each.field: each.cut for each in parts[0].record.truncations}
    info["not_applied"] += [f"{field}, from: {text[:100]}" for field, text in cut.items()]
    named = body.imported.values.get("model")
    if named not in (None, info["sd_model_name"]):
        info["not_applied"].append(f"infotext: Model {named}")
    return info


def _variation(info: Mapping[str, Any], parts: list[_Part], seeds: Sequence[int]) -> dict[str, Any]:
    """What A1111 says of variation seeds and seed resize where they aren't used: the seeds, and
    -1."""
    pictures = [each for part in parts for each in part.record.images]
    subseeds = [each.variation_seed for each in pictures if each.variation_seed is not None]
    found = subseeds or seeds
    sizes = ("seed_resize_from_w", "seed_resize_from_h")
    return {
        "subseed": found[0] if found else RANDOM_SEED,
        "all_subseeds": found,
        **{name: info[name] or -1 for name in sizes},
    }


def _named_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """Flat values under A1111's names, 0 for those of sections that aren't there; and options
    under the names of their fields, as A1111 does, with its default for those that are open."""
    named = {
        theirs: 0 if values[name] is None and REQUEST_FIELDS[name].section else values[name]
        for name, theirs in names_in("a1111").items()
    }
    defaults = OptionsAnswer.model_fields
    options = {
        name: defaults[theirs].default if values[name] is None else _a1111_name(name, values[name])
        for name, theirs in names_in("a1111_option").items()
    }
    return {**named, **options}


def _a1111_name(field: str, value: Any) -> Any:
    """A1111's name for a choice; other values as they are."""
    return REQUEST_FIELDS[field].spec.a1111_names.get(value, value)


def _info_of_record(record: GenerationRecord) -> dict[str, Any]:
    made, model = record.settings, record.model
    assert made is not None
    assert made.sampler is not None
    assert model is not None
    sampler, schedule = sampler_and_schedule(made.sampler)
    return {
        "sampler_name": sampler,
        "sd_model_name": model.name,
        "sd_model_hash": (model.hash or "")[:10],
        "sd_vae_name": None,
        "sd_vae_hash": None,
        "extra_generation_params": {"Schedule type": schedule} if schedule else {},
        "job_timestamp": record.timestamp.astimezone().strftime("%Y%m%d%H%M%S"),
        "version": f"sdtui {__version__}",
        "generation_time": record.generation_time,
        "attempts": [each.model_dump(mode="json") for each in record.attempts],
    }
