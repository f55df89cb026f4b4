"""Give answers an id and headers for browsers, time and log them, and handle unexpected errors."""

from __future__ import annotations

import logging
import re
import secrets
import time

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sdtui.server.access_log import log_request
from sdtui.server.errors import ApiError, respond, shape_of
from sdtui.server.metrics import Metrics
from sdtui.server.routing import routes_at

_FOR_BROWSERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "frame-ancestors 'self'",
}
"""What browsers must not do: take a picture for a script, or show a page in another site's."""
_SENT_ID = re.compile(r"[\w.:=+/@-]{1,128}", re.ASCII)
"""An id that a client or proxy may give its request: what tracing tools write, and nothing that
could break a line of a log."""
_log = logging.getLogger(__name__)


class RequestIdMiddleware:
    """ASGI middleware outside all others but those for CORS and the path prefix."""

    def __init__(self, app: ASGIApp, metrics: Metrics, *, access_log: bool) -> None:
        self._app = app
        self._metrics = metrics
        self._access_log = access_log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope)
        scope.setdefault("state", {}).update(request_id=request_id, method=scope["method"])
        # HEAD is handled as GET; uvicorn, which still sees HEAD, omits the body.
        handled = {**scope, "method": "GET"} if scope["method"] == "HEAD" else scope
        started = time.perf_counter()
        status = sent = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status, sent
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-ID"] = request_id
                for name, value in _FOR_BROWSERS.items():
                    headers.setdefault(name, value)
            sent += len(message.get("body", b""))
            await send(message)

        try:
            await self._app(handled, receive, send_with_id)
        except Exception:
            _log.exception("request %s: %s %r", request_id, scope["method"], scope["path"])
            if status:
                raise  # part of the answer was sent: uvicorn closes the connection
            answer = ApiError(500, "InternalError", f"sdtui met an internal error ({request_id}).")
            await respond(answer, shape_of(scope), request_id)(scope, receive, send_with_id)
        finally:
            seconds = time.perf_counter() - started
            route = _pattern(handled)
            self._metrics.note_request(scope["method"], route, status, seconds)
            if self._access_log:
                log_request(scope, route, status, seconds, sent)


def _request_id(scope: Scope) -> str:
    """Return the id that the client sent, if it is harmless, or a new one."""
    sent = Headers(scope=scope).get("x-request-id", "")
    return sent if _SENT_ID.fullmatch(sent) else secrets.token_hex(8)


def _pattern(scope: Scope) -> str:
    """The pattern of the path of a request, "none" for unknown paths.

    A request that was refused by middleware has no route in its scope.
    """
    routes = [scope["route"]] if "route" in scope else routes_at(scope)
    return getattr(routes[0], "path", "none") if routes else "none"
