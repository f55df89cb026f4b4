"""Routes that do more than FastAPI's own before a handler is called, and what lies at a path."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from pydantic_core import from_json
from starlette.routing import BaseRoute, Match
from starlette.types import Scope

from sdtui.server.errors import ApiError
from sdtui.server.services.generation import refuse_if_full

Handle = Callable[[Request], Coroutine[Any, Any, Response]]


def routes_at(scope: Scope) -> list[BaseRoute]:
    """The routes and mounts of a request's path, whatever its method."""
    # What is mounted takes its own path for part of the root, in this very scope.
    root_path = scope.get("app_root_path", scope.get("root_path", ""))
    asked = {**scope, "root_path": root_path}
    routes = scope["app"].state.routes
    return [route for route in routes if route.matches(asked)[0] is not Match.NONE]


def methods_at(scope: Scope) -> list[str]:
    """The methods that a request's path knows."""
    of_files = ("GET",)  # mounts have none of their own
    routes = routes_at(scope)
    found = {method for route in routes for method in getattr(route, "methods", of_files)}
    return sorted(found | {"HEAD"} if "GET" in found else found)


class JsonRoute(APIRoute):
    """JSON bodies are read strictly: text that is no valid Unicode (a lone surrogate) can't be
    written into an answer or a picture, and endless nesting can't be gone through."""

    def get_route_handler(self) -> Handle:
        """What FastAPI calls with a request."""
        handle = super().get_route_handler()

        async def read_strictly(request: Request) -> Response:
            return await handle(_StrictRequest(request.scope, request.receive))

        return read_strictly


class GenerationRoute(JsonRoute):
    """Where the queue is full, a POST is refused before its body is read: many large ones at once
    would fill the memory, and a crowd should cost little."""

    def get_route_handler(self) -> Handle:
        """What FastAPI calls with a request."""
        handle = super().get_route_handler()
        if "POST" not in (self.methods or ()):
            return handle

        async def refuse_or_handle(request: Request) -> Response:
            refuse_if_full(request.app.state.services)
            return await handle(request)

        return refuse_or_handle


class _StrictRequest(Request):
    async def json(self) -> Any:
        body = await self.body()
        try:
            return from_json(body.removeprefix(codecs.BOM_UTF8))
        except ValueError as error:
            raise ApiError(400, "BadRequest", f"The body is not valid JSON: {error}.") from error
