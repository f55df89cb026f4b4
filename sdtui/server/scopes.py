"""Facts of a request's ASGI scope."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.types import Scope

_DEFAULT_PORTS = {"http": "80", "https": "443"}


def root_path_of(scope: Scope) -> str:
    """The path prefix of the server. A mounted app adds its path to root_path in the same scope."""
    root_path: str = scope.get("app_root_path", scope.get("root_path", ""))
    return root_path


def path_of(scope: Scope) -> str:
    """The path of a request without the prefix of the server."""
    path: str = scope["path"]
    return path.removeprefix(root_path_of(scope))


def prefers_html(scope: Scope) -> bool:
    """True for a browser that opens an address: only these ask for HTML by name."""
    return "text/html" in Headers(scope=scope).get("accept", "").lower()


def without_default_port(host: str, scheme: str) -> str:
    """A host without the port that is the default of the scheme; browsers leave that out."""
    default = _DEFAULT_PORTS.get(scheme)
    return host.removesuffix(f":{default}") if default else host
