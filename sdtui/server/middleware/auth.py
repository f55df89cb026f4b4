"""Check API keys, origins and host names."""

from __future__ import annotations

import base64
import binascii
import ipaddress
from collections.abc import Iterator
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from sdtui.core.text import shortened
from sdtui.core.unix_sockets import own_uid
from sdtui.server.errors import ApiError, hanging_up, respond, shape_of
from sdtui.server.options import ServerOptions
from sdtui.server.scopes import path_of, prefers_html, without_default_port
from sdtui.server.services.callers import Caller
from sdtui.server.services.key_ring import KeyRing
from sdtui.server.services.refusals import RefusalLog

_OPEN = ("/livez", "/readyz")
"""Health checks, which reveal nothing else."""

LINKS = "/pictures/"
"""Paths below this are signed links, which need no key."""

PAGE_FILES = "/page/"
"""Paths below this are files of the web page. They hold no data; the page asks for the key."""

_KEY_HEADERS = ("x-api-key", "api-key")

_LOOPBACK_NAMES = {"localhost", "127.0.0.1", "::1"}


def is_open(path: str) -> bool:
    """True if a path needs no key."""
    return path in _OPEN or path.startswith((LINKS, PAGE_FILES))


def is_own_user(scope: Scope) -> bool:
    """True if a client of a Unix socket is the user of this process, or the system can't say."""
    return scope["client"] is not None and scope["client"][0] in (
        f"unix:{own_uid()}",
        "unix:None",
    )


class AuthMiddleware:
    """ASGI middleware that refuses unauthorised requests, and sets the caller of others.

    The key is sent as `Authorization: Bearer`, `X-API-Key`, `api-key` as Azure has it, or password
    of Basic with any user name. Without a key the Host header must be a name of the server, against
    DNS rebinding: on a loopback address a name of this machine, on others an address or a local
    name; or one that the options allow. Pages of other origins need to be allowed by the options.
    Requests with both
    Content-Length and Transfer-Encoding are refused, against request smuggling.
    """

    def __init__(
        self, app: ASGIApp, options: ServerOptions, keys: KeyRing, refusals: RefusalLog
    ) -> None:
        self._app = app
        self._options = options
        self._keys = keys
        self._refusals = refusals

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        address = scope["client"][0] if scope["client"] else "unknown"
        scope["state"]["caller"] = Caller(address)
        error = self._check(scope)
        if error is None:
            await self._app(scope, receive, send)
            return
        request = shortened(f"{scope['method']} {scope['path']!r}")
        self._refusals.note(error.status_code, address, request)
        answer = respond(error, shape_of(scope), scope["state"]["request_id"])
        await answer(scope, receive, send)

    def _check(self, scope: Scope) -> ApiError | None:
        """Return why a request is refused, if it is; otherwise its caller is set."""
        if self._options.own_user_only and not is_own_user(scope):
            return ApiError(403, "Forbidden", "This socket is another user's.")
        headers = Headers(scope=scope)
        if "content-length" in headers and "transfer-encoding" in headers:
            return _two_lengths()
        origin = headers.get("origin")
        if origin is not None and not self._is_allowed_origin(origin, headers.get("host", "")):
            message = (
                f"Pages of {shortened(origin)} may not use the server. `sdtui serve --cors ORIGIN` "
                "allows an origin."
            )
            return ApiError(403, "Forbidden", message)
        path = path_of(scope)
        if is_open(path) or (path == "/" and prefers_html(scope)):
            return None
        if not self._keys.is_empty:
            caller = self._keys.find(_sent_keys(headers), scope["state"]["caller"].name)
            if caller is None:
                return _unauthorized(headers)
            scope["state"]["caller"] = caller
            return None
        if not self._is_own_name(headers.get("host", "")):
            return ApiError(
                403,
                "Forbidden",
                "The Host header names another machine. Set an API key or `--allowed-host NAME` to "
                "use the server by other names.",
            )
        return None

    def _is_allowed_origin(self, origin: str, host: str) -> bool:
        if "*" in self._options.cors or origin in self._options.cors:
            return True
        scheme, _, authority = origin.lower().partition("://")
        return authority != "" and authority == without_default_port(host.lower(), scheme)

    def _is_own_name(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        options = self._options
        if name in options.allowed_hosts or "*" in options.allowed_hosts or name == options.host:
            return True
        return name in _LOOPBACK_NAMES or (not options.is_loopback and _is_local(name))


def _is_local(name: str) -> bool:
    """True for an address or a name that no public DNS server answers for."""
    if not name or "." not in name or name.endswith(".local"):
        return name != ""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _sent_keys(headers: Headers) -> Iterator[bytes]:
    """Return the keys in the headers of a request, whose bytes starlette decodes as Latin-1."""
    for name in _KEY_HEADERS:
        yield headers.get(name, "").encode("latin-1")
    scheme, _, value = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        yield value.strip().encode("latin-1")
    elif scheme.lower() == "basic":
        try:
            decoded = base64.b64decode(value)
        except (binascii.Error, ValueError):
            return
        yield decoded.partition(b":")[2]


def _two_lengths() -> ApiError:
    message = "Content-Length and Transfer-Encoding exclude each other."
    return hanging_up(400, "BadRequest", message)


def _unauthorized(headers: Headers) -> ApiError:
    # For Basic, browsers ask for a name and a password themselves, also when a script sends this.
    is_script = headers.get("x-requested-with") == "XMLHttpRequest"
    return ApiError(
        401,
        "Unauthorized",
        "The API key is missing or wrong. Send it as Bearer, X-API-Key, or Basic password.",
        headers={"WWW-Authenticate": f'{"Bearer" if is_script else "Basic"} realm="sdtui"'},
    )
