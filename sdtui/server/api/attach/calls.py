"""One route for all calls of a backend's parts."""

from __future__ import annotations

import logging
import zlib
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Header, Request, Response
from pydantic import BaseModel, ValidationError

from sdtui.core.errors import SdtuiError
from sdtui.jobs.wire import (
    CALL_HEADER,
    CALLS,
    CLIENT_HEADER,
    PROTOCOL,
    PROTOCOL_HEADER,
    Call,
    WireError,
    error_to_wire,
)
from sdtui.jobs.wire.batch import answer_batch
from sdtui.server.api.attach.rules import Client, carry_out
from sdtui.server.dependencies import ServerServices, ServicesDep
from sdtui.server.errors import ApiError
from sdtui.server.services.callers import caller_of

router = APIRouter(prefix="/attach", include_in_schema=False)

_log = logging.getLogger(__name__)
_COMPRESSED_FROM = 1400
"""Bytes; a shorter answer is one packet anyway."""
_LEVEL = 5
_LONGEST_ID = 64
_MOST_BYTES = 2**20
"""Of a call's arguments over the network."""
_MOST_BYTES_OF_MANY = 2**24
"""The same of many requests."""
_OF_MANY = {("jobs", "submit_grid"), ("models", "check_files")}
_MOST_VALUES = 1_000_000
"""Of a body. Each takes up to fifty times its bytes in memory."""
_JSON = "application/json"


@router.post("/calls/{part}/{name}")
async def call(
    part: str,
    name: str,
    services: ServicesDep,
    http: Request,
    call_id: Annotated[str, Header(alias=CALL_HEADER, max_length=_LONGEST_ID)] = "",
    protocol: Annotated[int, Header(alias=PROTOCOL_HEADER)] = PROTOCOL,
) -> Response:
    """Carry out a call, whose arguments are the body, by name. A call that is repeated with the
    same id has the first one's answer."""
    found = CALLS.get((part, name))
    if found is None:
        raise ApiError(404, "NotFound", f"There is no call {part}/{name}.")
    if protocol != PROTOCOL:
        return _answer(http, 400, version_error(protocol).model_dump_json().encode())
    client = _client(services, http)
    most = _MOST_BYTES_OF_MANY if (part, name) in _OF_MANY else _MOST_BYTES
    body = await _body(http, client, most)

    async def run() -> tuple[int, bytes]:
        return await services.attach_threads.run(
            client.caller.name, _run, services, found, body, client
        )

    whose = f"{client.caller.name} {client.id} {part}/{name} {call_id}" if call_id else ""
    status, data = await services.attach_calls.once(whose, run)
    return _answer(http, status, data)


@router.post("/batch")
async def batch(services: ServicesDep, http: Request) -> Response:
    """Carry out several calls, one after the other, and return their results."""
    client = _client(services, http)
    body = await _body(http, client, _MOST_BYTES)

    def run() -> tuple[int, bytes]:
        try:
            return 200, answer_batch(body, partial(carry_out, services, client))
        except (ValidationError, KeyError) as error:
            sent = WireError(type="SdtuiError", what=f"the calls aren't understood: {error}")
            return 422, sent.model_dump_json().encode()

    return _answer(http, *await services.attach_threads.run(client.caller.name, run))


async def _body(http: Request, client: Client, most: int) -> bytes:
    """Return the body of a call. Raises ApiError for one that would take much memory."""
    body = await http.body()
    http.state.release_body()
    if len(body) > most and not client.is_private:
        message = f"The arguments have more than {most:,} bytes."
        raise ApiError(413, "ContentTooLarge", message)
    if sum(map(body.count, (b",", b"[", b"{"))) > _MOST_VALUES:
        message = f"The body has more than {_MOST_VALUES:,} values."
        raise ApiError(413, "ContentTooLarge", message)
    return body


def _client(services: ServerServices, http: Request) -> Client:
    client_id = http.headers.get(CLIENT_HEADER, "")[:_LONGEST_ID]
    return Client(client_id, caller_of(http), services.options.own_user_only)


class IdsBody(BaseModel):
    """A search, and the list that the client has."""

    query: str = ""
    known: str = ""


@router.post("/ids")
async def ids(body: IdsBody, services: ServicesDep, http: Request) -> Response:
    """Return the ids of a search's results, as what differs from a list that the client has."""

    def find() -> tuple[int, bytes]:
        try:
            found = services.backend.pictures.ids(body.query)
        except SdtuiError as error:
            return 400, error_to_wire(error).model_dump_json().encode()
        with services.attach_ids_lock:
            return 200, services.attach_ids.write(found, body.known).model_dump_json().encode()

    return _answer(http, *await services.attach_threads.run(caller_of(http).name, find))


def _run(services: ServerServices, call: Call, body: bytes, client: Client) -> tuple[int, bytes]:
    """Return the status and the JSON of an answer."""
    try:
        arguments = call.read_arguments(body)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        sent = WireError(
            type="SdtuiError", what=f"{call.part}/{call.name}: {where}: {first['msg']}"
        )
        return 422, sent.model_dump_json().encode()
    try:
        result = carry_out(services, client, call, arguments)
    except (SdtuiError, KeyError) as error:
        return 400, error_to_wire(error).model_dump_json().encode()
    return 200, call.write_result(result)


def version_error(protocol: int) -> WireError:
    """Return the error for a client that speaks another protocol."""
    which = "the server" if protocol > PROTOCOL else "sdtui on this machine"
    return WireError(
        type="ConnectionLostError",
        what=f"the server speaks protocol {PROTOCOL} and this client {protocol}",
        hint=f"Update {which}",
    )


def _answer(http: Request, status: int, data: bytes) -> Response:
    headers = {PROTOCOL_HEADER: str(PROTOCOL), "Cache-Control": "no-store"}
    if len(data) > _COMPRESSED_FROM and "gzip" in http.headers.get("accept-encoding", ""):
        compressor = zlib.compressobj(_LEVEL, wbits=31)  # 31 = with gzip's header
        data = compressor.compress(data) + compressor.flush()
        headers["Content-Encoding"] = "gzip"
    return Response(data, status, headers, _JSON)
