"""Give answers an id and headers for browsers, time them, and handle unexpected errors."""

from __future__ import annotations

import logging
import secrets
import time

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sdtui.server.errors import ApiError, respond, shape_of
from sdtui.server.metrics import Metrics
from sdtui.server.routing import routes_at

_FOR_BROWSERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "frame-ancestors 'self'",
}
"""What browsers must not do: take a picture for a script, or show a page in another site's."""
_log = logging.getLogger(__name__)


class RequestIdMiddleware:
    """ASGI middleware outside all others but those for CORS and the path prefix."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = secrets.token_hex(8)
        scope.setdefault("state", {}).update(request_id=request_id, method=scope["method"])
        # HEAD is handled as GET; uvicorn, which still sees HEAD, omits the body.
        handled = {**scope, "method": "GET"} if scope["method"] == "HEAD" else scope
        started = time.perf_counter()
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-ID"] = request_id
                for name, value in _FOR_BROWSERS.items():
                    headers.setdefault(name, value)
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
            self._metrics.note_request(scope["method"], _pattern(handled), status, seconds)


def _pattern(scope: Scope) -> str:
    """The pattern of the path of a request, "none" for unknown paths.

    A request that was refused by middleware has no route in its scope.
    """
    routes = [scope["route"]] if "route" in scope else routes_at(scope)
    return getattr(routes[0], "path", "none") if routes else "none"
