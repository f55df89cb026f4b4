"""Generation for all three APIs: check a request, submit it, and wait for its pictures."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fastapi import Request

from sdtui.core.errors import (
    InvalidRequestError,
    Problem,
    QueueClosedError,
    QueueFullError,
    SdtuiError,
)
from sdtui.jobs import Job, JobPicture, JobState, Output
from sdtui.requests.events import Cancelled, Failed, Finished
from sdtui.requests.record import GenerationRecord
from sdtui.requests.request import REQUEST_FIELDS, GenerationRequest
from sdtui.server.dependencies import ServerServices
from sdtui.server.errors import GONE, ApiError, ending, from_failed, from_sdtui
from sdtui.server.services.job_events import Subscription
from sdtui.server.services.uploads import input_images


@dataclass(frozen=True)
class Picture:
    """A saved picture."""

    id: JobPicture
    index: int
    """In the request."""
    seed: int
    path: str
    """Where it was saved, on the backend's machine."""


@dataclass(frozen=True)
class GenerationOutcome:
    """The result of a job."""

    job: str
    event: Finished | Cancelled
    pictures: tuple[Picture, ...]

    @property
    def record(self) -> GenerationRecord | None:
        """None if the job was cancelled before it began."""
        return self.event.record


async def prepare(
    services: ServerServices, values: Mapping[str, Any], *, prompt_needed: bool = True
) -> GenerationRequest:
    """Make a request from values as `GenerationRequest.parse` takes them, but with the files
    themselves (bytes, base64 or data URLs) in place of their paths: they are kept until the job is
    over. What is left open is filled from the settings. Whether the prompt may be empty is the
    API's own rule.

    Raises ApiError.
    """
    try:
        return await asyncio.to_thread(_prepare, services, values, prompt_needed)
    except SdtuiError as error:
        raise from_sdtui(error) from error


def _prepare(
    services: ServerServices, values: Mapping[str, Any], prompt_needed: bool
) -> GenerationRequest:
    pictures: dict[Path, bytes | str] = {}

    def path_for(name: str, picture: object) -> Path:
        if not isinstance(picture, bytes | str):
            raise InvalidRequestError([Problem(name, None, "must be a picture as base64")])
        path = services.uploads.new_path()
        pictures[path] = picture
        return path

    given = REQUEST_FIELDS.map_files(values, path_for)
    request = GenerationRequest.parse(
        {**services.settings.request_defaults(), **given}, prompt_needed=prompt_needed
    )
    request = replace(request, model=services.models.resolve(given.get("model")))
    _check_limits(services, request)
    services.uploads.keep(pictures)  # last, so that nothing is written for a wrong request
    return request


def _check_limits(services: ServerServices, request: GenerationRequest) -> None:
    options = services.options
    problems = []
    width, height = request.width, request.height
    if width is None or height is None:
        native_width, native_height = services.models.native_size(request.model)
        width, height = width or native_width, height or native_height
    if width * height > options.max_pixels:
        size = f"{width}x{height}"
        message = f"{size} is more than this server's {options.max_pixels:,} pixels"
        problems.append(Problem("width", size, message))
    if request.num_images_per_prompt > options.max_pictures:
        count = request.num_images_per_prompt
        message = f"must be at most {options.max_pictures} on this server, not {count}"
        problems.append(Problem("num_images_per_prompt", count, message))
    if problems:
        raise InvalidRequestError(problems)


def submit(
    services: ServerServices,
    request: GenerationRequest,
    output: Output | None = None,
    *,
    front: bool = False,
) -> Job:
    """Queue a request. Raises ApiError: 429 if the queue is full, 503 during shutdown."""
    try:
        return services.backend.jobs.submit(request, output, front=front)
    except SdtuiError as error:
        services.uploads.forget(request.input_images().values())
        raise _not_taken(services, error) from error


def refuse_if_full(services: ServerServices) -> None:
    """Raises ApiError (429) if the queue is full."""
    try:
        services.backend.jobs.check_capacity()
    except QueueFullError as error:
        raise _not_taken(services, error) from error


def _not_taken(services: ServerServices, error: SdtuiError) -> ApiError:
    if isinstance(error, QueueClosedError):
        return ending()
    headers: dict[str, str] = {}
    if isinstance(error, QueueFullError):
        headers["Retry-After"] = str(max(1, math.ceil(services.job_events.seconds_per_job())))
    return from_sdtui(error, headers)


async def make(
    services: ServerServices,
    http: Request,
    request: GenerationRequest,
    output: Output | None = None,
) -> GenerationOutcome:
    """Submit a request and wait for the job, see `wait_for`."""
    return await wait_for(services, http, submit(services, request, output))


async def wait_for(services: ServerServices, http: Request, job: Job) -> GenerationOutcome:
    """Wait for a job. If the client disconnects, the job is cancelled.

    Raises ApiError if the job failed, and if it is postponed to the next start by shutdown.
    """
    with services.job_events.subscribe(job.id) as subscription:
        over = asyncio.ensure_future(_until_over(job, subscription))
        gone = asyncio.ensure_future(_until_gone(http))
        closing = asyncio.ensure_future(until_kept(services, job.id))
        tasks = (over, gone, closing)
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if over.done():
                return over.result()
            if gone.done():
                raise ApiError(GONE, "ClientGone", "The client went away.", job=job.id)
            raise was_cancelled(services, job.id)
        finally:
            if not over.done() and not closing.done():
                services.backend.jobs.cancel(job.id)
            for task in tasks:
                task.cancel()


def all_made(services: ServerServices, made: GenerationOutcome) -> GenerationOutcome:
    """Return `made` unless the job was cancelled or stopped by shutdown. Raises ApiError then."""
    if isinstance(made.event, Cancelled):
        raise was_cancelled(services, made.job)
    return made


def was_cancelled(services: ServerServices, job: str) -> ApiError:
    """The answer for a job that was cancelled by another client or stopped by shutdown."""
    if goes_on_later(services, job):
        return _kept(job)
    return ApiError(410, "Cancelled", "The job was cancelled.", job=job)


def _kept(job: str) -> ApiError:
    return ApiError(
        503,
        "ShuttingDown",
        f"The server is ending; the job is kept, and goes on at the next start as /jobs/{job}.",
        headers={"Retry-After": "10", "x-should-retry": "false"},
        job=job,
    )


def goes_on_later(services: ServerServices, job: str) -> bool:
    """True if a job resumes at the next start: the server shuts down, and no user cancelled it."""
    try:
        return services.closing.is_set() and services.backend.jobs.job(job).remaining() is not None
    except KeyError:
        return False


@contextmanager
def holding_uploads(services: ServerServices, request: GenerationRequest) -> Iterator[None]:
    """Keep uploaded pictures after their job has ended, since a following one may need them; then
    delete those that no unfinished job needs."""
    sent = set(request.input_images().values())
    try:
        with services.uploads.holding(sent):
            yield
    finally:
        jobs = services.backend.jobs.jobs()
        services.uploads.forget(sent - input_images(job for job in jobs if job.remaining()))


async def _until_over(job: Job, subscription: Subscription) -> GenerationOutcome:
    pictures: list[Picture] = []
    async for envelope in subscription:
        event = envelope.event
        if event.kind == "saved":
            picture = JobPicture(job.id, len(pictures))
            pictures.append(Picture(picture, event.image_index, event.seed, event.path))
        elif isinstance(event, Failed):
            raise from_failed(event, job)
        elif isinstance(event, Finished | Cancelled):
            return GenerationOutcome(
                job.id, event, tuple(sorted(pictures, key=lambda each: each.index))
            )
    raise AssertionError("a job's last event tells how it ended")


async def _until_gone(http: Request) -> None:
    while (await http.receive())["type"] != "http.disconnect":
        pass


async def until_kept(services: ServerServices, job: str) -> None:
    """Wait until shutdown postpones a job to the next start."""
    await services.closing.wait()
    with suppress(KeyError):  # it has ended and is forgotten
        if services.backend.jobs.job(job).state is JobState.QUEUED:
            return
    await services.grace_over.wait()  # it is being made until then
