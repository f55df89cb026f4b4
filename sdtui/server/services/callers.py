"""Who makes a request."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import HTTPConnection


@dataclass(frozen=True)
class Caller:
    """Who makes a request, as far as the server knows."""

    name: str
    """The name of the API key; where keys have no names, the client's address."""


def caller_of(http: HTTPConnection) -> Caller:
    """Return the caller of a request, which AuthMiddleware sets."""
    caller = http.state.caller
    assert isinstance(caller, Caller)
    return caller
