"""JSON bodies, read strictly: text that is no valid Unicode (a lone surrogate) can't be written
into an answer or a picture, and endless nesting can't be gone through."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from pydantic_core import from_json

from sdtui.server.errors import ApiError


class JsonRoute(APIRoute):
    """A route whose bodies are read by pydantic's own parser."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """What FastAPI calls with a request."""
        handle = super().get_route_handler()

        async def read_strictly(request: Request) -> Response:
            return await handle(_StrictRequest(request.scope, request.receive))

        return read_strictly


class _StrictRequest(Request):
    async def json(self) -> Any:
        body = await self.body()
        try:
            return from_json(body.removeprefix(codecs.BOM_UTF8))
        except ValueError as error:
            problem = str(error)
        raise ApiError(400, "BadRequest", f"The body is not valid JSON: {problem}.")
