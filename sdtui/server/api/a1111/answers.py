"""The answer of txt2img and img2img: pictures, and how they were made under A1111's names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from pydantic import BaseModel

from sdtui import __version__
from sdtui.core.samplers import sampler_and_schedule
from sdtui.history import write_infotext
from sdtui.requests.record import GenerationRecord
from sdtui.requests.request import RANDOM_SEED, REQUEST_FIELDS, GenerationRequest
from sdtui.server.api.a1111.options import OptionsAnswer
from sdtui.server.api.a1111.schemas import Txt2ImgBody
from sdtui.server.api.a1111.strength import with_strength
from sdtui.server.dependencies import ServerServices
from sdtui.server.dialects import names_in
from sdtui.server.errors import GONE, ApiError
from sdtui.server.services.a1111_state import Place
from sdtui.server.services.client_jobs import client_address
from sdtui.server.services.generation import (
    Picture,
)


class ImagesAnswer(BaseModel):
    """The pictures."""

    images: list[str]
    """Files as base64, PNG or the format in `samples_format`."""
    parameters: dict[str, Any]
    """The fields of the request."""
    info: str
    """The values that were used, as a JSON text."""


@dataclass(frozen=True)
class Part:
    """Pictures of a request, with the record of their job."""

    record: GenerationRecord
    pictures: tuple[Picture, ...]
    warnings: tuple[str, ...]


@contextmanager
def asked_by(
    services: ServerServices,
    http: Request,
    job: str,
    place: Place | None = None,
    task: str | None = None,
) -> Iterator[None]:
    """Store the client of a job until the job has ended, its place among the request's jobs, and
    the id that the client gave the request."""
    state = services.a1111
    state.tasks.note_job(task, job)
    state.clients[job] = client_address(http)
    if place is not None:
        state.places[job] = place
    try:
        yield
    except ApiError as error:
        if error.status_code == GONE:
            state.note_hang_up(client_address(http))
        raise
    finally:
        del state.clients[job]
        state.places.pop(job, None)
        state.interrupted.discard(job)
        state.skipped.discard(job)


def warnings_of(parts: list[Part]) -> list[str]:
    return list(dict.fromkeys(each for part in parts for each in part.warnings))


def info_of(body: Txt2ImgBody, request: GenerationRequest, parts: list[Part]) -> dict[str, Any]:
    """How the pictures were made, under A1111's names."""
    pictures = [each for part in parts for each in part.pictures]
    seeds = [each.seed for each in pictures]
    records = [part.record.of_image(each.index) for part in parts for each in part.pictures]
    strength = body.strength()
    info: dict[str, Any] = {
        "all_prompts": [each.prompt for each in records],
        "all_negative_prompts": [each.negative_prompt for each in records],
        "all_seeds": seeds,
        "batch_size": body.at_once(),
        "restore_faces": False,
        "face_restoration_model": None,
        "extra_generation_params": {},
        "index_of_first_image": 0,
        "is_using_inpainting_conditioning": False,
        "not_applied": body.not_applied(),
        "comments": _comments(body, parts),
        "warnings": warnings_of(parts),
        "infotexts": [write_infotext(with_strength(each, strength)) for each in records],
        **_named_values(parts[0].record.values() if parts else request.values()),
        "styles": request.templates.styles,
    }
    info |= _variation(info, parts, seeds)
    if strength is not None:
        info["denoising_strength"] = strength
    if not parts or not _has_recipe(parts[0].record):  # interrupted before the first picture
        return info | {"sd_model_name": request.model, "version": f"sdtui {__version__}"}
    info |= _info_of_record(parts[0].record)
    cut = {each.field: each.cut for each in parts[0].record.truncations}
    info["not_applied"] += [f"{field}, from: {text[:100]}" for field, text in cut.items()]
    used = {
        "model": info["sd_model_name"],
        "hires_model": request.hires and request.hires.model,
        "refiner": request.refiner and request.refiner.model,
    }
    for name, model in used.items():
        named = body.imported.values.get(name)
        if named not in (None, model):
            key = REQUEST_FIELDS[name].spec.infotext or "Model"
            info["not_applied"].append(f"infotext: {key} {named}")
    return info


def _comments(body: Txt2ImgBody, parts: list[Part]) -> list[str]:
    """What A1111 says under a picture."""
    notices = (notice for part in parts for notice in part.record.notices)
    return list(dict.fromkeys([*body.comments(), *notices]))


def _variation(info: Mapping[str, Any], parts: list[Part], seeds: Sequence[int]) -> dict[str, Any]:
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


def _has_recipe(record: GenerationRecord) -> bool:
    """False for a picture that was only upscaled, and doesn't say how it was made."""
    settings = record.settings
    return settings is not None and settings.sampler is not None and record.model is not None


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
        "sd_vae_name": made.model_dump().get("vae"),
        "sd_vae_hash": made.vae_hash and made.vae_hash[:10],
        "extra_generation_params": {"Schedule type": schedule} if schedule else {},
        "job_timestamp": record.timestamp.astimezone().strftime("%Y%m%d%H%M%S"),
        "version": f"sdtui {__version__}",
        "generation_time": record.generation_time,
        "attempts": [each.model_dump(mode="json") for each in record.attempts],
    }
