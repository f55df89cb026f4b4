"""Who may ask: keys, and pages of other origins."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Iterator
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from sdtui.server.errors import ApiError, hanging_up, respond, shape_of
from sdtui.server.options import ServerOptions

_OPEN = ("/livez", "/readyz")
"""For whoever watches the process; they tell nothing else."""

LINKS = "/pictures/"
"""Below this every path is a secret of its own."""

_LOOPBACK_NAMES = {"localhost", "127.0.0.1", "::1"}


def is_open(path: str) -> bool:
    """Whether a path needs no key."""
    return path in _OPEN or path.startswith(LINKS)


class AuthMiddleware:
    """ASGI middleware that lets through only who may ask.

    The key comes as `Authorization: Bearer`, `X-API-Key`, or as the password of Basic, whatever
    the user's name. Without a key the server is for this machine alone, and then the Host header
    must name it: a web page that points its own name here is turned away. A page of another
    origin is let through only if the options name it. A request whose length is told in two ways
    is turned away: a proxy before us may take what follows it for part of it, or the reverse.
    """

    def __init__(self, app: ASGIApp, options: ServerOptions) -> None:
        self._app = app
        self._options = options

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        error = self._problem(scope) if scope["type"] == "http" else None
        if error is None:
            await self._app(scope, receive, send)
            return
        answer = respond(error, shape_of(scope["path"]), scope["state"]["request_id"])
        await answer(scope, receive, send)

    def _problem(self, scope: Scope) -> ApiError | None:
        headers = Headers(scope=scope)
        if "content-length" in headers and "transfer-encoding" in headers:
            return _two_lengths()
        origin = headers.get("origin")
        if origin is not None and not self._is_welcome(origin, headers.get("host", "")):
            return ApiError(403, "Forbidden", "Pages of this origin may not use the server.")
        if is_open(scope["path"]):
            return None
        if self._options.api_key is not None:
            return None if self._has_key(headers, self._options.api_key) else _unauthorized()
        if self._options.is_loopback and not self._names_this_machine(headers.get("host", "")):
            return ApiError(
                403,
                "Forbidden",
                "The Host header names another machine. Set an API key to use the server by "
                "other names.",
            )
        return None

    def _is_welcome(self, origin: str, host: str) -> bool:
        if "*" in self._options.cors or origin in self._options.cors:
            return True
        _, _, authority = origin.partition("://")
        return authority != "" and authority.lower() == host.lower()

    def _names_this_machine(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname
        except ValueError:
            return False
        return name in _LOOPBACK_NAMES or name == self._options.host

    def _has_key(self, headers: Headers, key: str) -> bool:
        return any(hmac.compare_digest(each, key.encode()) for each in _offered(headers))


def _offered(headers: Headers) -> Iterator[bytes]:
    """Every key in a request's headers (whose bytes starlette reads as Latin-1)."""
    yield headers.get("x-api-key", "").encode("latin-1")
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
    message = "Content-Length and Transfer-Encoding can't both be there."
    return hanging_up(400, "BadRequest", message)


def _unauthorized() -> ApiError:
    return ApiError(
        401,
        "Unauthorized",
        "The API key is missing or wrong. Send it as Bearer, X-API-Key, or Basic password.",
        headers={"WWW-Authenticate": 'Basic realm="sdtui"'},
    )
