"""The application with its OpenAPI document, whose pages work offline."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse
from fastapi_offline import FastAPIOffline

from sdtui.server.middleware.auth import is_open
from sdtui.server.scopes import root_path_of

_STATIC = "/static-offline-docs"
"""The path of fastapi-offline's files. Its own page for Swagger UI has an address without the
prefix of a proxy, for a login that there isn't here."""
_SCHEMES: dict[str, dict[str, str]] = {
    "Bearer": {"type": "http", "scheme": "bearer"},
    "X-API-Key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "Basic": {"type": "http", "scheme": "basic", "description": "The key is the password."},
}


def documented_app(*, keyed: bool, **about: Any) -> FastAPI:
    """Return an application without routes; `about` are arguments of FastAPI.

    If `keyed`, the document lists the forms of the API key and the paths that need none.
    """
    app = FastAPIOffline(docs_url=None, **about)

    @app.get("/docs", include_in_schema=False)
    async def docs(http: Request) -> HTMLResponse:
        root = root_path_of(http.scope)
        return get_swagger_ui_html(
            openapi_url=f"{root}{app.openapi_url}",
            title=app.title,
            swagger_js_url=f"{root}{_STATIC}/swagger-ui-bundle.js",
            swagger_css_url=f"{root}{_STATIC}/swagger-ui.css",
            swagger_favicon_url=f"{root}{_STATIC}/favicon.png",
        )

    make_document = app.openapi

    def extended() -> dict[str, Any]:
        document = _with_examples(make_document())
        return _with_keys(document) if keyed else document

    # FastAPI's way to extend the document; FastAPIOffline is a function, not a class.
    app.openapi = extended  # type: ignore[method-assign]
    return app


def _with_examples(document: dict[str, Any]) -> dict[str, Any]:
    """Give every body that can be sent from /docs the example of its schema."""
    operations = [each for path in document["paths"].values() for each in path.values()]
    for operation in operations:
        for kind, media in operation.get("requestBody", {}).get("content", {}).items():
            schema = _resolved(document, media["schema"])
            if kind == "multipart/form-data":
                media["schema"] = _with_example_fields(schema)
            elif "examples" in schema:
                media["example"] = schema["examples"][0]
    return document


def _with_example_fields(schema: dict[str, Any]) -> dict[str, Any]:
    """A form whose fields have examples of their own, since /docs shows one input for each: those
    that the example leaves out are empty, and are not sent."""
    (example,) = schema.get("examples", [{}])
    fields = {
        name: field if _is_file(field) else {**field, "examples": [example.get(name, "")]}
        for name, field in schema["properties"].items()
    }
    return {**schema, "properties": fields}


def _is_file(field: dict[str, Any]) -> bool:
    shapes = [field, field.get("items", {}), *field.get("anyOf", ())]
    return any("contentMediaType" in shape for shape in shapes)


def _resolved(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """A schema with what it refers to or extends."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return _resolved(document, document["components"]["schemas"][name])
    whole: dict[str, Any] = {}
    for part in (*(_resolved(document, each) for each in schema.get("allOf", ())), schema):
        properties = {**whole.get("properties", {}), **part.get("properties", {})}
        own = {name: value for name, value in part.items() if name != "allOf"}
        whole |= {**own, "properties": properties}
    return whole


def _with_keys(document: dict[str, Any]) -> dict[str, Any]:
    document.setdefault("components", {})["securitySchemes"] = _SCHEMES
    document["security"] = [{name: []} for name in _SCHEMES]
    for path, operations in document["paths"].items():
        if is_open(path):
            for operation in operations.values():
                operation["security"] = []
    return document
