"""Serve behind a reverse proxy: its path prefix, and the name by which clients know the server."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Sequence
from typing import Any, cast

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from sdtui.server.options import PREFIX
from sdtui.server.scopes import without_default_port

_HOST = re.compile(r"[\w.-]+|\[[0-9a-f:.]+\]", re.ASCII | re.IGNORECASE)
_HOST_AND_PORT = re.compile(rf"(?:{_HOST.pattern})(?::\d{{1,5}})?", re.ASCII | re.IGNORECASE)
_PORT = re.compile(r"\d{1,5}", re.ASCII)
_PAIR = re.compile(r'\s*([\w!#$%&\'*+.^`|~-]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s;,"]*))\s*', re.ASCII)
"""A parameter of the header Forwarded; its value may be quoted."""
_EXTENDED = ("host", "port", "proto", "prefix", "for")
_MAX_LENGTH = 4000
"""Most characters of a header that is parsed."""


class PathMiddleware:
    """ASGI middleware for the path of a request: the prefix of a proxy, and slashes at its end.

    Whether the proxy removes its prefix or not, the path in the scope begins with `root_path`, as
    ASGI wants it, and links get the prefix. A path with a slash at its end is the one without it.
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
            plain = path.rstrip("/")
            path = plain if len(plain) > len(root_path) else path
            scope = {**scope, "root_path": root_path, "path": path}
        await self._app(scope, receive, send)


class ForwardedMiddleware(ProxyHeadersMiddleware):
    """ASGI middleware that believes the headers of trusted proxies.

    It reads X-Forwarded-For, -Proto, -Host, -Port and -Prefix, or where a request has none of them,
    `Forwarded` (RFC 7239). Malformed values are ignored.
    """

    def __init__(self, app: ASGIApp, trusted: Sequence[str]) -> None:
        """`trusted` are addresses and networks of proxies; "*" is every address."""
        super().__init__(cast("Any", app), list(trusted))

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and scope["client"]:
            host, port = scope["client"]
            scope = {**scope, "client": (_without_mapping(host), port)}
            if scope["client"][0] in self.trusted_hosts:
                scope = _as_forwarded(scope)
        await super().__call__(scope, receive, send)


def _as_forwarded(scope: Scope) -> Scope:
    """The scope as the outermost proxy received the request; the client is left to uvicorn."""
    received = Headers(scope=scope)
    values = {name: _list_of(received, f"x-forwarded-{name}") for name in _EXTENDED}
    if not any(values.values()):
        values = _standard(received)
    forwarded = {**scope, "headers": list(scope["headers"])}
    headers = MutableHeaders(scope=forwarded)
    headers["x-forwarded-for"] = ", ".join(values["for"])
    # Each proxy appends to a list: the outermost one stands first.
    scheme = next(iter(values["proto"]), "").lower()
    forwarded["scheme"] = scheme if scheme in ("http", "https") else scope["scheme"]
    del headers["x-forwarded-proto"]
    if host := _public_host(values, received.get("host", ""), forwarded["scheme"]):
        headers["host"] = host
    prefix = "".join(each.rstrip("/") for each in values["prefix"])
    if prefix and PREFIX.fullmatch(prefix):
        forwarded["root_path"] = prefix
    return forwarded


def _public_host(values: dict[str, list[str]], received: str, scheme: str) -> str:
    """The Host header as a browser sends it to the outermost proxy."""
    host = next(iter(values["host"]), received)
    if not _HOST_AND_PORT.fullmatch(host):
        host = received
    port = next(iter(values["port"]), "")
    if _HOST.fullmatch(host) and _PORT.fullmatch(port):
        host = f"{host}:{port}"
    return without_default_port(host, scheme)


def _list_of(headers: Headers, name: str) -> list[str]:
    """The values of a header that proxies append to, in one line or in several."""
    text = ",".join(headers.getlist(name))[:_MAX_LENGTH]
    return [value.strip() for value in text.split(",") if value.strip()]


def _standard(headers: Headers) -> dict[str, list[str]]:
    """The parameters of the header Forwarded, each from the outermost proxy on."""
    values: dict[str, list[str]] = {name: [] for name in _EXTENDED}
    for name, value in _pairs(",".join(headers.getlist("forwarded"))[:_MAX_LENGTH]):
        if name in ("for", "host", "proto"):
            values[name].append(value)
    return values


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    """The parameters of a Forwarded header up to the first malformed one."""
    position = 0
    while match := _PAIR.match(text, position):
        name, quoted, token = match.groups()
        yield name.lower(), token if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
        position = match.end() + 1
        if text[match.end() : position] not in (",", ";"):
            return


def _without_mapping(host: str) -> str:
    """An IPv4 address that a socket of both kinds writes as IPv6 ("::ffff:127.0.0.1")."""
    try:
        mapped = getattr(ipaddress.ip_address(host), "ipv4_mapped", None)
    except ValueError:
        return host
    return host if mapped is None else str(mapped)
