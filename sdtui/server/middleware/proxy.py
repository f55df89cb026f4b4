"""Serve behind a reverse proxy: its path prefix, and the name by which clients know the server."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, cast

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from sdtui.server.options import PREFIX

_HOST = re.compile(r"[\w.-]+|\[[0-9a-f:.]+\]", re.ASCII | re.IGNORECASE)
_HOST_AND_PORT = re.compile(rf"(?:{_HOST.pattern})(?::\d{{1,5}})?", re.ASCII | re.IGNORECASE)
_DEFAULT_PORTS = {"http": "80", "https": "443"}


class RootPathMiddleware:
    """ASGI middleware for a path prefix, whether the proxy removes it from the path or not.

    The path in the scope then begins with `root_path`, as ASGI wants it, and links get the prefix.
    """

    def __init__(self, app: ASGIApp, root_path: str) -> None:
        """`root_path` is the prefix where the proxy sends none."""
        self._app = app
        self._root_path = root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            root_path, path = scope.get("root_path") or self._root_path, scope["path"]
            if path != root_path and not path.startswith(f"{root_path}/"):
                path = root_path + path
            scope = {**scope, "root_path": root_path, "path": path}
        await self._app(scope, receive, send)


class ForwardedMiddleware(ProxyHeadersMiddleware):
    """ASGI middleware that believes the X-Forwarded headers of trusted proxies.

    uvicorn's part reads -For and -Proto. This reads -Host, -Port and -Prefix; values that are
    malformed are ignored.
    """

    def __init__(self, app: ASGIApp, trusted: Sequence[str]) -> None:
        """`trusted` are addresses and networks of proxies; "*" is every address."""
        super().__init__(cast("Any", app), list(trusted))

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and (scope["client"] or ("",))[0] in self.trusted_hosts:
            scope = _as_forwarded(scope)
        await super().__call__(scope, receive, send)


def _as_forwarded(scope: Scope) -> Scope:
    received = Headers(scope=scope)
    forwarded = {**scope, "headers": list(scope["headers"])}
    host = _first(received, "x-forwarded-host")
    if _HOST_AND_PORT.fullmatch(host):
        port = _first(received, "x-forwarded-port")
        scheme = received.get("x-forwarded-proto", scope["scheme"]).strip()
        is_usual = port == _DEFAULT_PORTS.get(scheme)
        if _HOST.fullmatch(host) and port.isdecimal() and not is_usual:
            host = f"{host}:{port}"
        MutableHeaders(scope=forwarded)["host"] = host
    prefix = _first(received, "x-forwarded-prefix").rstrip("/")
    if prefix and PREFIX.fullmatch(prefix):
        forwarded["root_path"] = prefix
    return forwarded


def _first(headers: Headers, name: str) -> str:
    """The value of the outermost proxy, which stands first; "" without the header."""
    return headers.get(name, "").partition(",")[0].strip()
