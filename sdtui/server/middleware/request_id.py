"""Around every request: its id, its time, and the last resort for faults of our own."""

from __future__ import annotations

import logging
import secrets
import time

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sdtui.server.errors import ApiError, respond, shape_of
from sdtui.server.metrics import Metrics
from sdtui.server.routing import routes_at

_log = logging.getLogger(__name__)


class RequestIdMiddleware:
    """ASGI middleware; the outermost of ours."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = secrets.token_hex(8)
        scope.setdefault("state", {}).update(request_id=request_id, method=scope["method"])
        # HEAD is answered as GET is; uvicorn, which still knows it as HEAD, leaves the body out.
        within = {**scope, "method": "GET"} if scope["method"] == "HEAD" else scope
        began = time.perf_counter()
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["X-Request-ID"] = request_id
            await send(message)

        try:
            await self._app(within, receive, send_with_id)
        except Exception:
            _log.exception("request %s: %s %r", request_id, scope["method"], scope["path"])
            if status:
                raise  # half an answer is out: the connection has to be broken
            fault = ApiError(500, "InternalError", f"sdtui met a fault of its own ({request_id}).")
            await respond(fault, shape_of(scope["path"]), request_id)(scope, receive, send_with_id)
        finally:
            seconds = time.perf_counter() - began
            self._metrics.note_request(scope["method"], _pattern(within), status, seconds)


def _pattern(scope: Scope) -> str:
    """The pattern of a request's path; "none" if there is no such path. A request that was turned
    away never came to its route."""
    routes = [scope["route"]] if "route" in scope else routes_at(scope)
    return getattr(routes[0], "path", "none") if routes else "none"
