"""The jobs of a request, and what interrupting and skipping do to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from fastapi import Request

from sdtui.requests.request import GenerationRequest
from sdtui.server.api.a1111.answers import Part, asked_by
from sdtui.server.api.a1111.schemas import Txt2ImgBody
from sdtui.server.dependencies import ServerServices
from sdtui.server.errors import GONE, ApiError
from sdtui.server.services.a1111_state import Place
from sdtui.server.services.generation import GenerationOutcome, all_made, submit, wait_for


@dataclass
class Made:
    """What came of requests."""

    parts: list[Part] = field(default_factory=list)
    is_interrupted: bool = False
    errors: list[ApiError] = field(default_factory=list)
    """Why requests have no pictures."""


async def make_each(
    services: ServerServices,
    http: Request,
    requests: Sequence[tuple[Txt2ImgBody, GenerationRequest]],
    *,
    goes_on: bool = False,
) -> Made:
    """Generate the pictures of requests, one after the other, until the client interrupts.

    Raises ApiError if a request fails, with `goes_on` if all that were begun do.
    """
    all_of_them = Made()
    for number, (body, request) in enumerate(requests):
        try:
            made = await _make_one(body, services, http, request, Place(number, len(requests)))
        except ApiError as error:
            if not goes_on or error.status_code == GONE or services.closing.is_set():
                raise
            all_of_them.errors.append(error)
            continue
        all_of_them.parts += made.parts
        all_of_them.is_interrupted = made.is_interrupted
        if made.is_interrupted:
            break
    if all_of_them.errors and not all_of_them.parts:
        raise all_of_them.errors[0]
    return all_of_them


async def _make_one(
    body: Txt2ImgBody,
    services: ServerServices,
    http: Request,
    request: GenerationRequest,
    place: Place,
) -> Made:
    """Generate the pictures of a request. If a client skips, a new job makes the pictures after the
    skipped ones; if it interrupts, the answer has the pictures that are finished."""
    result = Made()
    remaining: GenerationRequest | None = request
    front = False
    while remaining is not None:
        job = await submit(
            services, http, remaining, body.output(), front=front, is_kept=body.save_images
        )
        front = True
        with asked_by(services, http, job.id, place, body.force_task_id):
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
    done = (len(made.pictures) // body.at_once() + 1) * body.at_once()
    if made.event.kind != "cancelled" or done >= request.num_images_per_prompt:
        return None
    return request.without_first(done)
