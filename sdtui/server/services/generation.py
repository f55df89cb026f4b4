"""From a request to pictures, for all three APIs."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fastapi import Request

from sdtui.core.enums import DynamicPrompts
from sdtui.core.errors import (
    InvalidRequestError,
    LimitReachedError,
    Problem,
    QueueClosedError,
    QueueFullError,
    SdtuiError,
)
from sdtui.jobs import Job, JobPicture, JobState, Output
from sdtui.jobs.prompts import ResolvedPrompts
from sdtui.jobs.request_checks import check_requests, check_resolved, left_out
from sdtui.requests.events import Cancelled, Failed, FinalEvent
from sdtui.requests.record import GenerationRecord
from sdtui.requests.request import REQUEST_FIELDS, SIZE_MULTIPLE, GenerationRequest
from sdtui.server.dependencies import ServerServices
from sdtui.server.errors import (
    GONE,
    ApiError,
    ending,
    from_failed,
    from_sdtui,
    public_message,
    shape_of,
)
from sdtui.server.outcome_headers import outcome_headers
from sdtui.server.services.callers import caller_of
from sdtui.server.services.job_events import Subscription
from sdtui.server.services.presets import served_preset
from sdtui.server.services.uploads import input_images
from sdtui.server.services.work import check_work

_MAX_RETRY_AFTER = 600
"""Seconds; a client may also come too early."""


@dataclass(frozen=True)
class Picture:
    """A finished picture."""

    id: JobPicture
    index: int
    """Index in the request."""
    seed: int
    path: str
    """Path on the machine of the backend; empty if it could not be saved."""


@dataclass(frozen=True)
class GenerationOutcome:
    """How a job ended, and its pictures."""

    job: str
    event: FinalEvent
    """`Failed` if all pictures were made, but not all were saved."""
    pictures: tuple[Picture, ...]

    def headers(self) -> dict[str, str]:
        """What differs from the request, and warnings."""
        return outcome_headers([self.record] if self.record else [], self.warnings)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What went wrong although the pictures were made."""
        if not isinstance(self.event, Failed):
            return ()
        return (public_message(str(self.event), self.event.error_type),)

    @property
    def record(self) -> GenerationRecord | None:
        """The record; None if the job was cancelled before it started."""
        return self.event.record


async def prepare(
    services: ServerServices,
    values: Mapping[str, Any],
    *,
    prompt_needed: bool = True,
    is_compatible: bool = False,
) -> GenerationRequest:
    """Make a request from values, in which files are given as bytes, base64 or data URLs.

    The files are stored until the job ends. Open values are filled from the settings; if
    `is_compatible`, which is for requests of A1111's and OpenAI's API, with another retry policy.
    Raises ApiError.
    """
    defaults = services.settings.request_defaults()
    if is_compatible:
        defaults["policy"] = services.options.compatible_policy
        if defaults["dynamic_prompts"] is DynamicPrompts.COMBINATORIAL:
            defaults["dynamic_prompts"] = DynamicPrompts.RANDOM  # they count on their number
    try:
        return await asyncio.to_thread(_prepare, services, defaults, values, prompt_needed)
    except SdtuiError as error:
        raise from_sdtui(error) from error


def _prepare(
    services: ServerServices,
    defaults: Mapping[str, Any],
    values: Mapping[str, Any],
    prompt_needed: bool,
) -> GenerationRequest:
    pictures: dict[Path, bytes | str] = {}

    def path_for(name: str, picture: object) -> Path:
        if not isinstance(picture, bytes | str):
            raise InvalidRequestError([Problem(name, None, "must be a picture as base64")])
        path = services.uploads.path_for(picture)
        pictures[path] = picture
        return path

    given = REQUEST_FIELDS.map_files(values, path_for)
    shared = {**defaults, **served_preset(given.pop("preset", None))}
    request = GenerationRequest.parse({**shared, **given}, prompt_needed=prompt_needed)
    named = given.get("model", shared["model"] if "preset" in values else None)
    if named is None:
        named = services.models.default
    request = with_served_models(services, replace(request, model=named))
    check_requests(services.backend.models, [request])
    check_limits(services, request)
    services.uploads.keep(pictures)  # last, so that nothing is written for a wrong request
    return request


def with_served_models(services: ServerServices, request: GenerationRequest) -> GenerationRequest:
    """Return a request with the models of all passes as they are served, never by a path. Raises
    ModelError."""
    hires, refiner = request.hires, request.refiner
    if hires is not None and hires.model is not None:
        hires = replace(hires, model=services.models.resolve(hires.model))
    if refiner is not None:
        refiner = replace(refiner, model=services.models.resolve(refiner.model))
    model = services.models.resolve(request.model)
    return replace(request, model=model, hires=hires, refiner=refiner)


def check_limits(services: ServerServices, request: GenerationRequest) -> None:
    """Raise InvalidRequestError if a request is more than the server's options allow."""
    options = services.options
    problems = []
    width, height = request.width, request.height
    if width is None or height is None:
        native_width, native_height = services.models.native_size(request.model)
        width, height = width or native_width, height or native_height
    if request.hires is not None:
        width, height = request.hires.enlarged(width, height, SIZE_MULTIPLE).size
    is_made = request.upscale.image is None  # else a picture is only upscaled
    if is_made and width * height > options.max_pixels:
        size = f"{width}x{height}"
        message = f"{size} is more than this server's {options.max_pixels:,} pixels"
        problems.append(Problem("width", size, message))
    if request.num_images_per_prompt > options.max_pictures:
        count = request.num_images_per_prompt
        message = f"must be at most {options.max_pictures} on this server, not {count}"
        problems.append(Problem("num_images_per_prompt", count, message))
    if problems:
        raise InvalidRequestError(problems)


async def submit(
    services: ServerServices,
    http: Request,
    request: GenerationRequest,
    output: Output | None = None,
    *,
    front: bool = False,
    is_kept: bool = True,
) -> Job:
    """Submit a request. Unless `is_kept`, its pictures are deleted after an hour.

    Raises ApiError: 404 for an unknown LoRA, 422 for an unknown style, 429 if the queue is full or
    the client has too many jobs, 503 during shutdown.
    """
    output = services.retention.output(output, is_kept=is_kept)
    output = output.model_copy(update={"continues_unsaved": True})
    caller = caller_of(http).name
    try:
        prompts = await asyncio.to_thread(_resolve, services, request)
        services.client_jobs.check(caller)
        job = services.backend.jobs.submit(
            request, output, prompts=prompts, front=front, client=caller
        )
    except SdtuiError as error:
        services.uploads.forget(request.input_images().values())
        raise refusal(services, error) from error
    services.job_events.expect(job.id)
    services.client_jobs.note(job.id, caller)
    services.metrics.note_job(job.id, shape_of(http.scope))
    http.state.job = job.id
    return job


def _resolve(services: ServerServices, request: GenerationRequest) -> ResolvedPrompts:
    backend, most = services.backend, services.options.max_pictures
    check_work([request], services.models, services.options.max_work)
    resolved = backend.prompts.resolve(request, most=most)
    check_resolved(backend.models, request, resolved.prompts)
    notices = (*resolved.notices, *left_out(backend.models, request))
    return replace(resolved, notices=notices)


def longest_running(services: ServerServices) -> str | None:
    """Return the id of the job that has been running longest, of those that the caller sees."""
    seen = set(services.backend.jobs.running().values())
    running = (each.job for each in services.job_events.running_jobs())
    return next((job for job in running if job in seen), None)


def refuse_if_full(services: ServerServices) -> None:
    """Raise ApiError (429) if the queue is full."""
    try:
        services.backend.jobs.check_capacity()
    except QueueFullError as error:
        raise refusal(services, error) from error


def refusal(services: ServerServices, error: SdtuiError) -> ApiError:
    """Return the answer for an error of submitting: 429, or 503 during shutdown."""
    if isinstance(error, QueueClosedError):
        return ending()
    headers: dict[str, str] = {}
    if isinstance(error, QueueFullError):
        seconds = error.seconds if isinstance(error, LimitReachedError) else None
        if seconds is None:
            seconds = services.job_events.seconds_per_job()
        headers["Retry-After"] = str(min(max(1, math.ceil(seconds)), _MAX_RETRY_AFTER))
    return from_sdtui(error, headers)


async def make(
    services: ServerServices,
    http: Request,
    request: GenerationRequest,
    output: Output | None = None,
) -> GenerationOutcome:
    """Submit a request and wait for it, like `wait_for`."""
    return await wait_for(services, http, await submit(services, http, request, output))


async def wait_for(services: ServerServices, http: Request, job: Job) -> GenerationOutcome:
    """Wait for a job, and cancel it if the client disconnects.

    Raises ApiError if the job fails, or is saved for the next start of the server.
    """
    with services.job_events.subscribe(job.id) as subscription:
        ended = asyncio.ensure_future(_until_ended(services, job, subscription))
        disconnected = asyncio.ensure_future(_until_disconnected(http))
        saved = asyncio.ensure_future(until_saved(services, job.id))
        tasks = (ended, disconnected, saved)
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if ended.done():
                return ended.result()
            if disconnected.done():
                raise ApiError(GONE, "ClientGone", "The client went away.", job=job.id)
            raise was_cancelled(services, job.id)
        finally:
            if not ended.done() and not saved.done():
                services.backend.jobs.cancel(job.id)
            for task in tasks:
                task.cancel()


def all_made(services: ServerServices, outcome: GenerationOutcome) -> GenerationOutcome:
    """Return the outcome if the job finished. Raises ApiError if it was cancelled or stopped."""
    if isinstance(outcome.event, Cancelled):
        raise was_cancelled(services, outcome.job)
    return outcome


def was_cancelled(services: ServerServices, job: str) -> ApiError:
    """The answer for a job that another client or the shutdown cancelled."""
    if goes_on_later(services, job):
        return _saved_for_later(job)
    message = "The job was cancelled."
    if job in services.timed_out:
        limit = services.options.job_timeout or 0
        message = f"The job was cancelled: it took longer than {limit:g} s, as long as is allowed."
    return ApiError(410, "Cancelled", message, job=job)


def _saved_for_later(job: str) -> ApiError:
    return ApiError(
        503,
        "ShuttingDown",
        f"The server is shutting down; job {job} is kept and resumed at the next start.",
        headers={"Retry-After": "10", "x-should-retry": "false"},
        job=job,
    )


def goes_on_later(services: ServerServices, job: str) -> bool:
    """True if a job is saved for the next start of the server."""
    try:
        return services.closing.is_set() and services.backend.jobs.job(job).has_remaining
    except KeyError:
        return False


@contextmanager
def holding_uploads(services: ServerServices, *requests: GenerationRequest) -> Iterator[None]:
    """Keep the uploads of requests beyond their jobs, since another job may need them.

    Afterwards deletes those that no unfinished job needs.
    """
    uploads = {path for request in requests for path in request.input_images().values()}
    try:
        with services.uploads.holding(uploads):
            yield
    finally:
        jobs = services.backend.jobs.jobs()
        services.uploads.forget(uploads - input_images(job for job in jobs if job.has_remaining))


def unsaved_pictures(services: ServerServices, job: Job, saved: int) -> list[Picture]:
    """Return the finished pictures of a job that could not be saved, of which `saved` were."""
    return [
        Picture(JobPicture(job.id, saved + number), image.index, image.seed or 0, "")
        for number, image in enumerate(services.backend.jobs.unsaved(job.id))
    ]


async def _until_ended(
    services: ServerServices, job: Job, subscription: Subscription
) -> GenerationOutcome:
    pictures: list[Picture] = []
    async for envelope in subscription:
        event = envelope.event
        if event.kind == "saved":
            picture = JobPicture(job.id, len(pictures))
            pictures.append(Picture(picture, event.image_index, event.seed or 0, event.path))
        elif isinstance(event, FinalEvent):
            pictures += unsaved_pictures(services, job, len(pictures))
            is_complete = len(pictures) == job.request.num_images_per_prompt
            if isinstance(event, Failed) and not is_complete:
                raise from_failed(event, job)
            return GenerationOutcome(
                job.id, event, tuple(sorted(pictures, key=lambda each: each.index))
            )
    raise AssertionError("the last event of a job is a final one")


async def _until_disconnected(http: Request) -> None:
    while (await http.receive())["type"] != "http.disconnect":
        pass


async def until_saved(services: ServerServices, job: str) -> None:
    """Wait until the server shuts down without finishing a job, which is then saved."""
    await services.closing.wait()
    with suppress(KeyError):  # it ended long ago
        if services.backend.jobs.job(job).state is JobState.QUEUED:
            return
    await services.grace_over.wait()  # it is running until then
