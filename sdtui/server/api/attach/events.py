"""The event stream of attached clients."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Path, Query, Request, Response
from fastapi.responses import StreamingResponse

from sdtui.jobs.wire import PROTOCOL, PROTOCOL_HEADER
from sdtui.server.dependencies import ServicesDep
from sdtui.server.errors import ApiError
from sdtui.server.services.attach_stream import AttachStream, PreviewCoding, StreamOptions
from sdtui.server.services.callers import caller_of
from sdtui.server.streaming import UNBUFFERED

router = APIRouter(prefix="/attach", include_in_schema=False)

_MOST_STREAMS = 200
_MOST_OF_KEY = 50
_HEADERS = {**UNBUFFERED, PROTOCOL_HEADER: str(PROTOCOL)}


@router.get("/state")
async def state(services: ServicesDep) -> Response:
    """Return the properties of the backend's parts, for clients that don't follow the stream."""
    text = services.attach_hub.state(services.backend).model_dump_json()
    return Response(text, headers=_HEADERS, media_type="application/json")


@router.get("/events")
async def follow(
    services: ServicesDep,
    http: Request,
    pace: Annotated[float, Query(ge=0.1, le=30)] = 4.0,
    previews: PreviewCoding = "webp",
    stream: Annotated[str, Query(max_length=64)] = "",
    last_event_id: Annotated[str, Header()] = "",
) -> Response:
    """Stream a snapshot and then what changes; with `Last-Event-ID`, what changed since that
    event, if it is known. Of a stream with an id, the client says how much it has read."""
    if http.state.method == "HEAD":
        return Response(media_type="text/event-stream", headers=_HEADERS)

    hub, owner = services.attach_hub, services.caller.owner
    is_full = hub.clients >= _MOST_STREAMS
    if is_full or (owner and hub.clients_of(owner) >= _MOST_OF_KEY):
        most = _MOST_STREAMS if is_full else f"{_MOST_OF_KEY} with this API key"
        message = f"{most} apps and commands are attached, as many as are allowed."
        raise ApiError(503, "TooManyClients", message, headers=_HEADERS)

    def is_over() -> bool:
        is_ending = services.closing.is_set() and not services.job_events.running_jobs()
        is_revoked = not services.keys.has(caller_of(http))
        return is_ending or services.grace_over.is_set() or is_revoked

    events = AttachStream(
        hub,
        services.backend,
        services.job_events,
        services.attach_receipts,
        services.sees_job,
        services.caller,
        StreamOptions(pace, previews, stream),
        last_event_id,
        is_over,
    )
    return StreamingResponse(events.lines(), media_type="text/event-stream", headers=_HEADERS)


@router.post("/events/{stream}/read", status_code=204)
async def read(
    stream: Annotated[str, Path(max_length=64)],
    bytes_: Annotated[int, Query(alias="bytes", ge=0, lt=2**63)],
    services: ServicesDep,
) -> Response:
    """Take note of how many bytes of a stream its client has read."""
    services.attach_receipts.note(stream, bytes_)
    return Response(status_code=204, headers=_HEADERS)
