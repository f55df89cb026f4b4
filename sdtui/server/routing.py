"""Routes with checks before the handler is called, and the routes of a path."""

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
from sdtui.server.scopes import root_path_of
from sdtui.server.services.generation import refuse_if_full

Handle = Callable[[Request], Coroutine[Any, Any, Response]]


def routes_at(scope: Scope) -> list[BaseRoute]:
    """The routes and mounts that match the path of a request, whatever its method."""
    original = {**scope, "root_path": root_path_of(scope)}
    routes = scope["app"].state.routes
    return [route for route in routes if route.matches(original)[0] is not Match.NONE]


def methods_at(scope: Scope) -> list[str]:
    """The methods of the routes that match the path of a request."""
    mount_methods = ("GET",)
    routes = routes_at(scope)
    methods = {method for route in routes for method in getattr(route, "methods", mount_methods)}
    return sorted(methods | {"HEAD"} if "GET" in methods else methods)


_MAX_VALUES = 500_000
"""Most values of a JSON body. Each takes up to fifty times its bytes in memory."""


class JsonRoute(APIRoute):
    """A route that parses JSON bodies strictly.

    It refuses invalid Unicode (lone surrogates), which can't be encoded in answers and pictures,
    excessive nesting, and bodies of very many values.
    """

    def get_route_handler(self) -> Handle:
        handle = super().get_route_handler()

        async def read_strictly(request: Request) -> Response:
            return await handle(_StrictRequest(request.scope, request.receive))

        return read_strictly


class GenerationRoute(JsonRoute):
    """A route that refuses a POST before reading its body if the queue is full.

    Many large bodies at once would fill the memory.
    """

    def get_route_handler(self) -> Handle:
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
        # Counts those in texts too, which are short but for pictures, whose base64 has none.
        if sum(map(body.count, (b",", b"[", b"{"))) > _MAX_VALUES:
            message = f"The body has more than {_MAX_VALUES:,} values."
            raise ApiError(413, "ContentTooLarge", message)
        try:
            return from_json(body.removeprefix(codecs.BOM_UTF8))
        except ValueError as error:
            raise ApiError(400, "BadRequest", f"The body is not valid JSON: {error}.") from error
