"""Facts of a request's ASGI scope."""

from __future__ import annotations

from starlette.types import Scope


def root_path_of(scope: Scope) -> str:
    """The path prefix of the server. A mounted app adds its path to root_path in the same scope."""
    root_path: str = scope.get("app_root_path", scope.get("root_path", ""))
    return root_path


def path_of(scope: Scope) -> str:
    """The path of a request without the prefix of the server."""
    path: str = scope["path"]
    return path.removeprefix(root_path_of(scope))
