"""The application with its OpenAPI document, whose pages work offline."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline

from sdtui.server.middleware.auth import is_open

_SCHEMES: dict[str, dict[str, str]] = {
    "Bearer": {"type": "http", "scheme": "bearer"},
    "X-API-Key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "Basic": {"type": "http", "scheme": "basic", "description": "The key is the password."},
}


def documented_app(*, keyed: bool, **about: Any) -> FastAPI:
    """Return an application without routes; `about` are arguments of FastAPI.

    If `keyed`, the document lists the forms of the API key and the paths that need none.
    """
    app = FastAPIOffline(**about)
    if keyed:
        # FastAPI's way to extend the document; FastAPIOffline is a function, not a class.
        make_document = app.openapi
        app.openapi = lambda: _with_keys(make_document())  # type: ignore[method-assign]
    return app


def _with_keys(document: dict[str, Any]) -> dict[str, Any]:
    document.setdefault("components", {})["securitySchemes"] = _SCHEMES
    document["security"] = [{name: []} for name in _SCHEMES]
    for path, operations in document["paths"].items():
        if is_open(path):
            for operation in operations.values():
                operation["security"] = []
    return document
