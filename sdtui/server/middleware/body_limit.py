"""Bodies are counted while they arrive, so that none fills the memory."""

from __future__ import annotations

import asyncio
import time

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sdtui.server.errors import GONE, ApiError, ending, hanging_up
from sdtui.server.options import ServerOptions
from sdtui.server.shutdown import unless_closing

_PATIENCE = 30.0
"""Seconds that a part of a body may take to arrive."""
_SLOWEST = 1000
"""Bytes a second that it must have brought by then: one that trickles would stay for days."""
_DELAY_SECONDS = 0.05
"""Seconds that a part always has, as it may be here already and the server was busy."""
_AT_ONCE = 4
"""As many of the largest bodies may be in memory, beside those of the jobs that wait."""
_WITHOUT_BODY = ("GET", "HEAD", "DELETE", "OPTIONS")
"""No route reads one of these, and so none comes into memory."""


class BodyLimitMiddleware:
    """ASGI middleware: a body that is announced or grows beyond `max_body` is a 413, one that
    stops arriving or trickles a 408, one that is too much beside the others a 429, and one that is
    still on its way when the server ends a 503."""

    def __init__(self, app: ASGIApp, options: ServerOptions, closing: asyncio.Event) -> None:
        self._app = app
        self._limit = options.max_body
        self._limit_of_all = (options.queue_limit + _AT_ONCE) * options.max_body
        self._closing = closing
        self._in_flight = 0
        """Bytes of all bodies whose requests are not answered."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http" or scope["method"] in _WITHOUT_BODY:
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        is_packed = headers.get("content-encoding", "").lower() not in ("", "identity")
        announced = headers.get("content-length", "")
        too_large = announced.isdecimal() and int(announced) > self._limit
        arrived = 0
        is_whole = False
        began = time.monotonic()

        async def receive_counted() -> Message:
            nonlocal arrived, is_whole
            if is_whole:
                return await receive()  # only that the client goes away can still come
            if is_packed:
                raise _packed()
            if too_large:
                raise self._too_large()
            left = began + _PATIENCE + arrived / _SLOWEST - time.monotonic()
            patience = max(_DELAY_SECONDS, min(left, _PATIENCE))
            try:
                message = await unless_closing(receive(), self._closing, patience)
            except TimeoutError as error:
                raise (ending() if self._closing.is_set() else _too_slow()) from error
            if message["type"] == "http.disconnect":
                raise ApiError(GONE, "ClientGone", "The client went away.")
            size = len(message.get("body", b""))
            arrived += size
            self._in_flight += size
            if arrived > self._limit:
                raise self._too_large()
            if self._in_flight > self._limit_of_all:
                raise _too_much()
            is_whole = not message.get("more_body", False)
            return message

        try:
            await self._app(scope, receive_counted, send)
        finally:
            self._in_flight -= arrived

    def _too_large(self) -> ApiError:
        message = (
            f"The request's body is larger than {self._limit:,} bytes. Send a smaller picture."
        )
        return hanging_up(413, "ContentTooLarge", message)


def _too_slow() -> ApiError:
    return hanging_up(408, "RequestTimeout", "The request's body came too slowly.")


def _too_much() -> ApiError:
    message = "The requests that wait here hold as many bytes as they may. Try again later."
    return hanging_up(429, "TooMuchAtOnce", message, {"Retry-After": "5"})


def _packed() -> ApiError:
    message = "Compressed bodies are not read here. Leave Content-Encoding out."
    return hanging_up(415, "UnsupportedMediaType", message, {"Accept-Encoding": "identity"})
