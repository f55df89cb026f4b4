"""Routes with checks before the handler is called, and the routes of a path."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute, Match
from starlette.types import Scope

from sdtui.server.bodies import StrictRequest
from sdtui.server.dependencies import services_of
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


class JsonRoute(APIRoute):
    """A route that reads bodies strictly, see `StrictRequest`."""

    def get_route_handler(self) -> Handle:
        handle = super().get_route_handler()

        async def read_strictly(request: Request) -> Response:
            strict = StrictRequest(request.scope, request.receive)
            try:
                return await handle(strict)
            finally:
                request.app.state.services.uploads.discard(strict.received)

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
            refuse_if_full(services_of(request))
            return await handle(request)

        return refuse_or_handle
