"""The application with an OpenAPI document that tells which keys are taken."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from sdtui.server.guard import is_open

_SCHEMES: dict[str, dict[str, str]] = {
    "Bearer": {"type": "http", "scheme": "bearer"},
    "X-API-Key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "Basic": {"type": "http", "scheme": "basic", "description": "The key is the password."},
}


class KeyedApp(FastAPI):
    """For a server with a key."""

    def openapi(self) -> dict[str, Any]:
        """The document, with the three forms of the key."""
        document = super().openapi()
        document.setdefault("components", {})["securitySchemes"] = _SCHEMES
        document["security"] = [{name: []} for name in _SCHEMES]
        for path, operations in document["paths"].items():
            if is_open(path):
                for operation in operations.values():
                    operation["security"] = []
        return document
