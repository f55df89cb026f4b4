"""Limit the size and duration of request bodies while they arrive."""

from __future__ import annotations

import asyncio
import time

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sdtui.server.errors import GONE, ApiError, ending, hanging_up
from sdtui.server.options import ServerOptions
from sdtui.server.shutdown import unless_closing

_MIN_BYTES_PER_SECOND = 1000
"""Slowest rate of a body after `chunk_seconds`; a trickling one would occupy memory for days."""
_MIN_SECONDS = 0.05
"""Time that a chunk always has, since it may have arrived while the server was busy."""
_WITHOUT_BODY = ("GET", "HEAD", "DELETE", "OPTIONS")
"""Methods whose routes read no body."""


class BodyLimitMiddleware:
    """ASGI middleware that refuses bodies. It runs inside RequestIdMiddleware.

    413 for a body larger than `max_body`, 408 for one that stalls or trickles, 429 if all bodies
    together are too large, 503 for one that is incomplete when the server shuts down.
    """

    chunk_seconds = 30.0
    """Time for a chunk of a body to arrive."""
    concurrent_bodies = 4
    """Number of bodies of the largest size that may arrive at the same time, in addition to as many
    as jobs may wait. Those of waiting jobs are files."""

    def __init__(self, app: ASGIApp, options: ServerOptions, closing: asyncio.Event) -> None:
        self._app = app
        self._limit = options.max_body
        self._limit_of_all = (options.queue_limit + self.concurrent_bodies) * options.max_body
        self._closing = closing
        self._in_flight = 0
        """Bytes of the bodies that are in memory: until they are parsed or answered."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in _WITHOUT_BODY:
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        is_compressed = headers.get("content-encoding", "").lower() not in ("", "identity")
        announced = headers.get("content-length", "")
        too_large = announced.isdecimal() and int(announced) > self._limit
        arrived = held = 0
        is_complete = False
        started = time.monotonic()

        async def receive_counted() -> Message:
            nonlocal arrived, held, is_complete
            if is_complete:
                return await receive()  # only a disconnect can still arrive
            if is_compressed:
                raise _compressed()
            if too_large:
                raise self._too_large()
            left = started + self.chunk_seconds + arrived / _MIN_BYTES_PER_SECOND - time.monotonic()
            timeout = max(_MIN_SECONDS, min(left, self.chunk_seconds))
            try:
                message = await unless_closing(receive(), self._closing, timeout)
            except TimeoutError as error:
                raise (ending() if self._closing.is_set() else _too_slow()) from error
            if message["type"] == "http.disconnect":
                raise ApiError(GONE, "ClientGone", "The client went away.")
            size = len(message.get("body", b""))
            arrived += size
            held += size
            self._in_flight += size
            if arrived > self._limit:
                raise self._too_large()
            if self._in_flight > self._limit_of_all:
                raise _too_much()
            is_complete = not message.get("more_body", False)
            return message

        def release() -> None:
            nonlocal held
            self._in_flight -= held
            held = 0

        scope["state"]["release_body"] = release
        try:
            await self._app(scope, receive_counted, send)
        finally:
            release()

    def _too_large(self) -> ApiError:
        message = (
            f"The body of the request is larger than {self._limit:,} bytes. Send a smaller picture."
        )
        return hanging_up(413, "ContentTooLarge", message)


def _too_slow() -> ApiError:
    return hanging_up(408, "RequestTimeout", "The body of the request came too slowly.")


def _too_much() -> ApiError:
    message = "The bodies of waiting requests are as large as allowed. Try again later."
    return hanging_up(429, "TooMuchAtOnce", message, {"Retry-After": "5"})


def _compressed() -> ApiError:
    message = "Compressed bodies are not supported. Leave Content-Encoding out."
    return hanging_up(415, "UnsupportedMediaType", message, {"Accept-Encoding": "identity"})
