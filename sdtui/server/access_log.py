"""The access log: a line for each answered request."""

from __future__ import annotations

import logging

from starlette.types import Scope

from sdtui.core.text import shortened
from sdtui.server.scopes import path_of

_log = logging.getLogger(__name__)
_PROBES = ("/livez", "/readyz", "/metrics")
"""Asked every few seconds; they are logged if they fail."""


def log_request(scope: Scope, route: str, status: int, seconds: float, sent: int) -> None:
    """Log a request. `scope` is that of an answered request, `route` the pattern of its path, and
    `sent` the number of bytes in the answer. Neither queries nor bodies are logged."""
    path = path_of(scope)
    if path in _PROBES and status < 400:
        return
    state = scope["state"]
    address = scope["client"][0] if scope["client"] else "unknown"
    caller = getattr(state.get("caller"), "name", address)
    fields = {
        "request": state["request_id"],
        "address": address,
        "client": caller,
        "method": scope["method"],
        "path": shortened(path),
        "route": route,
        "status": status,
        "seconds": round(seconds, 4),
        "bytes": sent,
        "job": state.get("job"),
    }
    _log.info(
        "%s %s %r %d in %.3f s, %d bytes, request %s%s%s",
        *(address, scope["method"], shortened(path), status, seconds, sent, state["request_id"]),
        f", job {state['job']}" if "job" in state else "",
        f", key {caller}" if caller != address else "",
        extra={"fields": fields},
    )
