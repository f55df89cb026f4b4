"""Trainings of LoRAs: begin, list, follow, pause and stop them, and get what they made. Only for
admins; pictures to learn from are on the server's machine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi import Path as PathValue
from fastapi.responses import FileResponse, StreamingResponse

from sdtui.requests.events import Training, TrainingProgress, is_end_of_training
from sdtui.requests.training.events import TrainingFailed
from sdtui.requests.training.request import TrainingRequest
from sdtui.requests.training.status import TrainingCondition, TrainingStatus
from sdtui.server.api.native.training_schemas import (
    CurveAnswer,
    ListedTraining,
    TrainingAnswer,
    TrainingBody,
)
from sdtui.server.dependencies import ServerServices, ServicesDep
from sdtui.server.errors import ApiError, documented, public_message
from sdtui.server.files import FILE_ANSWERS, PICTURE_ANSWERS, Edge, file_response, picture_response
from sdtui.server.routing import JsonRoute
from sdtui.server.services.callers import caller_of
from sdtui.server.services.training_rules import allowed_request, check_files_allowed
from sdtui.server.streaming import EVENT_STREAM, UNBUFFERED, ServerSentEvent, as_lines

router = APIRouter(prefix="/trainings", tags=["sdtui"], route_class=JsonRoute)

_OVER = "over"
"""The id of the last event of a stream, with which a browser that connects again gets no other."""
_LARGEST = 2**31
_ACTIVE = (TrainingCondition.QUEUED, TrainingCondition.RUNNING)
Name = Annotated[str, PathValue(max_length=100)]
Step = Annotated[int, PathValue(ge=0, le=_LARGEST)]


@router.get("", responses=documented("sdtui"))
async def trainings(services: ServicesDep, http: Request) -> list[ListedTraining]:
    """List the trainings by name, without their samples and checkpoints."""
    found = await asyncio.to_thread(services.backend.trainings.all)
    return [ListedTraining.of(http, each) for each in found]


@router.post("", status_code=202, responses=documented("sdtui", 404, 408, 409, 429, 503))
async def begin(
    body: TrainingBody,
    services: ServicesDep,
    http: Request,
    response: Response,
    anew: Annotated[
        bool, Query(description="Begin anew, though one of this name isn't finished")
    ] = False,
) -> TrainingAnswer:
    """Queue a training. Over the network, the operator must have allowed it with
    `--training-folder`, in which its pictures are."""

    def start() -> str:
        request = allowed_request(services, TrainingRequest.parse(body.root))
        services.backend.trainings.start(request, anew=anew)
        return request.output_name

    answer = await _answer(services, http, await asyncio.to_thread(start))
    response.headers["Location"] = answer.url
    return answer


@router.get("/{name}", responses=documented("sdtui", 404))
async def training(name: Name, services: ServicesDep, http: Request) -> TrainingAnswer:
    """Return how far a training has come."""
    return await _answer(services, http, name)


@router.delete("/{name}", status_code=204, responses=documented("sdtui", 404, 409))
async def delete(name: Name, services: ServicesDep) -> None:
    """Delete a training that isn't running; its LoRAs and samples stay."""
    trainings = services.backend.trainings
    check_files_allowed(services)
    await asyncio.to_thread(trainings.delete, name)
    services.attach_hub.note_jobs()


@router.get("/{name}/curve", responses=documented("sdtui", 404))
async def curve(
    name: Name,
    services: ServicesDep,
    points: Annotated[int, Query(ge=1, le=2000, description="At most so many")] = 400,
) -> CurveAnswer:
    """Return the loss over the steps."""
    found = await asyncio.to_thread(services.backend.trainings.curve, name, points)
    return CurveAnswer.model_validate(found)


@router.post("/{name}/resume", status_code=202, responses=documented("sdtui", 404, 409, 503))
async def resume(name: Name, services: ServicesDep, http: Request) -> TrainingAnswer:
    """Queue a training again that was paused, stopped or interrupted, or has failed."""
    return await _change(services, http, name, services.backend.trainings.resume)


@router.post("/{name}/pause", status_code=202, responses=documented("sdtui", 404, 409))
async def pause(name: Name, services: ServicesDep, http: Request) -> TrainingAnswer:
    """Let a training write a checkpoint and wait. It needs some seconds."""
    return await _change(services, http, name, services.backend.trainings.pause)


@router.post("/{name}/stop", status_code=202, responses=documented("sdtui", 404, 409))
async def stop(name: Name, services: ServicesDep, http: Request) -> TrainingAnswer:
    """End a training with the LoRA as it is. It needs some seconds."""
    return await _change(services, http, name, services.backend.trainings.stop)


@router.get("/{name}/lora", response_class=FileResponse, responses=FILE_ANSWERS)
async def lora(name: Name, services: ServicesDep, http: Request) -> Response:
    """Return the file of the LoRA."""
    status = await _status(services, name)
    if not status.lora:
        raise ApiError(404, "NotFound", "The training has no LoRA (yet).")
    return await file_response(http, Path(status.lora))


@router.get("/{name}/checkpoints/{step}", response_class=FileResponse, responses=FILE_ANSWERS)
async def checkpoint(name: Name, step: Step, services: ServicesDep, http: Request) -> Response:
    """Return the file of the LoRA as it was after a step."""
    status = await _status(services, name)
    path = next((each.path for each in status.checkpoints if each.step == step), None)
    if path is None:
        raise ApiError(404, "NotFound", f"The training has no checkpoint of step {step}.")
    return await file_response(http, Path(path))


@router.post("/{name}/checkpoints/{step}/keep", responses=documented("sdtui", 404, 409))
async def keep(name: Name, step: Step, services: ServicesDep, http: Request) -> TrainingAnswer:
    """Make a checkpoint the training's LoRA."""
    await asyncio.to_thread(services.backend.trainings.keep, name, step)
    services.attach_hub.note_jobs()
    return await _answer(services, http, name)


@router.get(
    "/{name}/samples/{step}/{number}", response_class=FileResponse, responses=PICTURE_ANSWERS
)
async def sample(
    name: Name,
    step: Step,
    number: Step,
    services: ServicesDep,
    http: Request,
    edge: Edge = None,
) -> Response:
    """Return a picture that was made after a step, or a smaller copy."""
    status, pictures = await _status(services, name), services.backend.pictures
    found = [each.path for each in status.samples if (each.step, each.number) == (step, number)]
    if not found:
        raise ApiError(404, "NotFound", f"The training has no sample {number} of step {step}.")
    entry = await asyncio.to_thread(pictures.get, Path(found[0]))
    return await picture_response(http, pictures, entry.id, edge=edge)


@router.get(
    "/{name}/events",
    response_class=StreamingResponse,
    responses={
        200: EVENT_STREAM,
        204: {"description": "The training has ended, and that was sent"},
        **documented("sdtui", 404),
    },
)
async def events(
    name: Name,
    services: ServicesDep,
    http: Request,
    last_event_id: Annotated[str, Header(include_in_schema=False)] = "",
) -> Response:
    """Stream a training as server-sent events: `status` with the whole state, then what happens,
    until it ends or the server shuts down. An event's name is its kind; its data is JSON. Of steps,
    slow clients get the newest.

    204, which stops a browser from connecting again, if nothing has happened since the end."""
    status = await _status(services, name)
    if last_event_id == _OVER and not _is_followed(status):
        return Response(status_code=204)
    if http.state.method == "HEAD":  # nothing to wait for
        head = Response(media_type="text/event-stream", headers=UNBUFFERED)
        del head.headers["content-length"]
        return head
    return StreamingResponse(
        as_lines(_follow(services, http, name), _until_closing(services)),
        media_type="text/event-stream",
        headers=UNBUFFERED,
    )


async def _until_closing(services: ServerServices) -> None:
    await services.closing.wait()


def _is_followed(status: TrainingStatus) -> bool:
    """True if this server will report events of a training."""
    return status.condition in _ACTIVE and not status.is_elsewhere


async def _follow(
    services: ServerServices, http: Request, name: str
) -> AsyncIterator[ServerSentEvent]:
    with services.training_events.subscribe(name) as subscription:
        status = await _status(services, name)  # what comes meanwhile is sent after it
        is_over = not _is_followed(status)
        answer = TrainingAnswer.of(http, status)
        yield ServerSentEvent("status", answer, _OVER if is_over else "")
        if is_over:
            return
        async for envelope in subscription:
            if not services.keys.has(caller_of(http)):
                return
            assert isinstance(envelope.event, Training | TrainingProgress)
            event = envelope.event.event
            if isinstance(event, TrainingFailed):
                error = public_message(event.error, event.error_type)
                event = event.model_copy(update={"error": error})
            is_over = is_end_of_training(envelope.event)
            yield ServerSentEvent(event.kind, event, _OVER if is_over else "")
            if is_over:
                return


async def _change(
    services: ServerServices, http: Request, name: str, change: Callable[[str], object]
) -> TrainingAnswer:
    await asyncio.to_thread(change, name)
    return await _answer(services, http, name)


async def _answer(services: ServerServices, http: Request, name: str) -> TrainingAnswer:
    return TrainingAnswer.of(http, await _status(services, name))


async def _status(services: ServerServices, name: str) -> TrainingStatus:
    return await asyncio.to_thread(services.backend.trainings.status, name)
