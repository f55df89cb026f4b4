"""MCP over HTTP (streamable HTTP): one path, to which requests are sent as JSON-RPC.

The library serves each request by itself, without sessions: none are lost at a restart, and none
fill the memory. A session is but an id by which a later message finds the call that it cancels.
There is no stream for messages of the server's own accord, which it never sends.
"""

from __future__ import annotations

import asyncio
import secrets
from typing import TYPE_CHECKING

from fastapi import APIRouter, Request, Response
from pydantic_core import to_json
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import Message, Receive, Scope, Send

from sdtui.server.api.mcp.headers import SESSION, VERSION
from sdtui.server.bodies import StrictRequest
from sdtui.server.dependencies import ServerServices

if TYPE_CHECKING:
    from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

router = APIRouter()


@router.post("/mcp", include_in_schema=False)
async def mcp(http: Request) -> Response:
    """Answer a message of an MCP client."""
    return _Exchange()


class McpEndpoint:
    """The server of the library, which is imported with the first request."""

    def __init__(self, services: ServerServices) -> None:
        self._services = services
        self._manager: StreamableHTTPSessionManager | None = None
        self._making = asyncio.Lock()
        self._is_made = asyncio.Event()
        self._is_ready = asyncio.Event()

    async def run(self) -> None:
        """Serve, from the first request until cancelled."""
        await self._is_made.wait()
        assert self._manager is not None
        async with self._manager.run():
            self._is_ready.set()
            await asyncio.Event().wait()

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        async with self._making:
            if self._manager is None:
                self._manager = await asyncio.to_thread(_manager_of, self._services)
                self._is_made.set()
        await self._is_ready.wait()
        await self._manager.handle_request(scope, receive, send)


class _Exchange(Response):
    """A message and the answer to it."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the message, with its pictures as files, and answer it; called by Starlette. Raises
        ApiError."""
        request = StrictRequest(scope, receive)
        try:
            await request.body()
            body = to_json(await request.json())
            endpoint: McpEndpoint = request.app.state.mcp
            await endpoint.handle(scope, _sent_again(body, receive), _with_session(scope, send))
        finally:
            request.app.state.services.uploads.discard(request.received)


def _sent_again(body: bytes, receive: Receive) -> Receive:
    """Return a function that receives a body, and then what comes after the one that was read."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_again() -> Message:
        return messages.pop() if messages else await receive()

    return receive_again


def _with_session(scope: Scope, send: Send) -> Send:
    """Return a function that sends an answer, with the id of a new session if it may be the first
    one: later requests, and all of the protocol's versions without sessions, name the version."""
    headers = Headers(scope=scope)
    if SESSION in headers or VERSION in headers:
        return send

    async def send_with_id(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message)[SESSION] = secrets.token_hex(16)
        await send(message)

    return send_with_id


def _manager_of(services: ServerServices) -> StreamableHTTPSessionManager:
    from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

    from sdtui.server.api.mcp.server import ToolServer

    return StreamableHTTPSessionManager(
        ToolServer(services).protocol,
        stateless=True,
        max_request_body_size=services.options.max_body,
    )
