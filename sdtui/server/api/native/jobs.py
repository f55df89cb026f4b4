"""Jobs in the background: submit, list, follow and cancel them."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi import Path as PathValue
from fastapi.responses import FileResponse, StreamingResponse
from pydantic import BaseModel, ConfigDict

from sdtui.core.errors import HistoryError
from sdtui.jobs import Job, JobPicture, JobState
from sdtui.requests.events import FLEETING_KINDS, Failed, FinalEvent
from sdtui.requests.record import GenerationRecord
from sdtui.server.api.native.schemas import JobBody
from sdtui.server.api.native.webhooks import add_webhook, check_webhook
from sdtui.server.dependencies import ServerServices, ServicesDep
from sdtui.server.errors import ApiError, documented, public_message
from sdtui.server.files import PICTURE_ANSWERS, picture_response
from sdtui.server.routing import GenerationRoute
from sdtui.server.scopes import root_path_of
from sdtui.server.services.caller_jobs import seen_by
from sdtui.server.services.callers import Caller, caller_of
from sdtui.server.services.generation import goes_on_later, prepare, submit, until_saved
from sdtui.server.services.job_events import Subscription
from sdtui.server.streaming import EVENT_STREAM, UNBUFFERED, ServerSentEvent, as_lines

router = APIRouter(tags=["sdtui"], route_class=GenerationRoute)

_EVENT_ID = re.compile(r"([0-9a-f]+)-(\d{1,9})", re.ASCII)
"""The run of the server, and the number of the event among the job's lasting ones, from 1."""
_MOST_JOBS = 1_000_000
JobId = Annotated[str, PathValue(max_length=64)]


class JobAnswer(BaseModel):
    """The state of a job."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    id: str
    url: str
    """Of this job; its events are at URL/events."""
    state: JobState
    prompt: str
    notices: list[str] = []
    """What is known before it runs: fields that the model leaves out, for example."""
    position: int | None = None
    """Number of jobs before it, while it waits."""
    worker: str | None = None
    """The device that makes it, while it runs."""
    step: int | None = None
    total_steps: int | None = None
    pictures: list[str] = []
    """URLs of the pictures that are ready."""
    error: str | None = None
    error_type: str | None = None
    record: GenerationRecord | None = None
    """Set when the job has ended."""


@router.post(
    "/jobs",
    status_code=202,
    responses=documented("sdtui", 404, 408, 429, 503, 507),
)
async def begin(
    body: JobBody, services: ServicesDep, http: Request, response: Response
) -> JobAnswer:
    """Queue a job and return at once. With `webhook_url`, a POST to that URL says how it ended."""
    check_webhook(services, body.webhook_url)
    request = await prepare(services, body.request)
    job = await submit(services, http, request)
    await add_webhook(services, http, job.id, body.webhook_url)
    answer = answer_of(services, http, job)
    response.headers["Location"] = answer.url
    return answer


@router.get("/jobs", responses=documented("sdtui"))
async def jobs(
    services: ServicesDep,
    http: Request,
    offset: Annotated[int, Query(ge=0, le=_MOST_JOBS)] = 0,
    limit: Annotated[int, Query(ge=1, le=500)] = 500,
) -> list[JobAnswer]:
    """List jobs without their records: the running one, the waiting ones in their order, then the
    ended ones, newest first."""
    listed = list(enumerate(services.backend.jobs.jobs()))[offset : offset + limit]
    return [
        answer_of(services, http, job.model_copy(update={"record": None}), position)
        for position, job in listed
    ]


@router.get("/jobs/{job_id}", responses=documented("sdtui", 404))
async def job(job_id: JobId, services: ServicesDep, http: Request) -> JobAnswer:
    """Return the state of a job. The last 200 ended jobs are remembered."""
    return answer_of(services, http, find_job(services, job_id))


@router.delete("/jobs/{job_id}", responses=documented("sdtui", 404, 409))
async def cancel(job_id: JobId, services: ServicesDep, http: Request) -> JobAnswer:
    """Cancel a job: at once if it waits, within a step if it runs."""
    if find_job(services, job_id).state.is_over:
        raise ApiError(409, "AlreadyOver", "The job is over already.", job=job_id)
    services.backend.jobs.cancel(job_id)
    return answer_of(services, http, find_job(services, job_id))


@router.get(
    "/jobs/{job_id}/events",
    response_class=StreamingResponse,
    responses={
        200: EVENT_STREAM,
        204: {"description": "The job has ended, and all its events were sent"},
        **documented("sdtui", 404),
    },
)
async def events(
    job_id: JobId,
    services: ServicesDep,
    http: Request,
    last_event_id: Annotated[str, Header(include_in_schema=False)] = "",
) -> Response:
    """Stream the events of a job as server-sent events: past ones first, then new ones, until the
    job ends or the server shuts down. The event's name is its kind; its data is JSON.

    With `Last-Event-ID`, which browsers send when they reconnect, the events after that one and the
    newest step and preview; 204, which stops a browser from reconnecting, if none will follow. Ids
    of another run of the server and unknown ids are ignored.
    """
    find_job(services, job_id)
    lasting = [
        each for each in services.job_events.events(job_id) if each.event.kind not in FLEETING_KINDS
    ]
    after = _number(services, last_event_id)
    if after > len(lasting):
        after = 0
    if after and after == len(lasting) and isinstance(lasting[-1].event, FinalEvent):
        return Response(status_code=204)
    if http.state.method == "HEAD":  # nothing to wait for
        head = Response(media_type="text/event-stream", headers=UNBUFFERED)
        del head.headers["content-length"]
        return head
    return StreamingResponse(
        _follow(services, http, job_id, after), media_type="text/event-stream", headers=UNBUFFERED
    )


@router.get(
    "/jobs/{job_id}/pictures/{index}",
    response_class=FileResponse,
    responses=PICTURE_ANSWERS,
)
async def picture(job_id: JobId, index: int, services: ServicesDep, http: Request) -> Response:
    """Return a picture of a job, as soon as it is saved."""
    find_job(services, job_id)
    try:
        return await picture_response(http, services.backend.pictures, JobPicture(job_id, index))
    except HistoryError as error:
        message = f"The job has no picture {index} (yet)."
        raise ApiError(404, "NotFound", message, job=job_id) from error


async def _follow(
    services: ServerServices, http: Request, job_id: str, after: int
) -> AsyncIterator[str]:
    with services.job_events.subscribe(job_id, fleeting=True) as subscription:
        formatted = _format(services, caller_of(http), subscription, after)
        async for text in as_lines(formatted, until_saved(services, job_id)):
            yield text


def _number(services: ServerServices, event_id: str) -> int:
    """The number of an event of this run of the server; 0 for any other id."""
    found = _EVENT_ID.fullmatch(event_id)
    return int(found[2]) if found and found[1] == services.job_events.run else 0


async def _format(
    services: ServerServices, caller: Caller, subscription: Subscription, after: int
) -> AsyncIterator[ServerSentEvent]:
    """The lasting events after number `after`, and steps and previews, which have no ids, as long
    as the caller's key counts. The cancellation of a job that resumes at the next start is left
    out."""
    count = 0
    async for each in subscription:
        envelope = seen_by(services.sees_job, services.backend.jobs, each)
        if envelope is None or not services.keys.has(caller):
            return
        event = envelope.event
        if event.kind == "cancelled" and goes_on_later(services, envelope.job):
            return
        if isinstance(event, Failed):
            event = _public(services, envelope.job, event)
        if event.kind in FLEETING_KINDS:
            yield ServerSentEvent(event.kind, event)
            continue
        count += 1
        if count > after:
            yield ServerSentEvent(event.kind, event, f"{services.job_events.run}-{count}")


def _public(services: ServerServices, job_id: str, event: Failed) -> Failed:
    """Return an event without what clients shouldn't see."""
    job = find_job(services, job_id)
    return event.model_copy(
        update={"error": public_message(str(event), event.error_type, job), "hint": ""}
    )


def find_job(services: ServerServices, job_id: str) -> Job:
    """Find a job. Raises ApiError (404)."""
    try:
        return services.backend.jobs.job(job_id)
    except KeyError as error:
        raise ApiError(404, "NotFound", "There is no such job (any more).") from error


def _worker_of(services: ServerServices, job: Job) -> str | None:
    if job.state not in (JobState.RUNNING, JobState.CANCELLING):
        return None
    running = services.backend.jobs.running().items()
    return next((worker for worker, each in running if each == job.id), None)


def answer_of(
    services: ServerServices, http: Request, job: Job, position: int | None = None
) -> JobAnswer:
    """The state of a job. `position` is its place in the queue; None = look it up."""
    step = services.job_events.step(job.id)
    url = f"{root_path_of(http.scope)}/jobs/{job.id}"
    if position is None and job.state is JobState.QUEUED:
        ids = [each.id for each in services.backend.jobs.jobs()]
        position = ids.index(job.id) if job.id in ids else None
    unsaved = services.backend.jobs.unsaved(job.id)
    return JobAnswer(
        id=job.id,
        url=url,
        state=job.state,
        prompt=job.request.prompt,
        notices=list(job.notices),
        position=position if job.state is JobState.QUEUED else None,
        worker=_worker_of(services, job),
        step=step.step if step else None,
        total_steps=step.total if step else None,
        pictures=[f"{url}/pictures/{n}" for n in range(len(job.pictures) + len(unsaved))],
        error=public_message(job.error, job.error_type, job) if job.error else None,
        error_type=job.error_type or None,
        record=job.record,
    )
