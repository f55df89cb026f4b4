"""The FastAPI application: routes, middleware, and errors as answers."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware

from sdtui import __version__
from sdtui.core.errors import SdtuiError
from sdtui.server.api.a1111.routes import ROUTERS as A1111
from sdtui.server.api.attach.routes import ROUTERS as ATTACH
from sdtui.server.api.huggingface.routes import ROUTERS as HUGGING_FACE
from sdtui.server.api.mcp.endpoint import McpEndpoint
from sdtui.server.api.mcp.routes import ROUTERS as MCP
from sdtui.server.api.native.routes import ROUTERS as NATIVE
from sdtui.server.api.openai.routes import ROUTERS as OPENAI
from sdtui.server.api.page.routes import ROUTERS as PAGE
from sdtui.server.dependencies import ServerServices
from sdtui.server.errors import (
    UNKNOWN_PATH,
    ApiError,
    from_sdtui,
    from_validation,
    respond,
    shape_of,
)
from sdtui.server.middleware.auth import AuthMiddleware
from sdtui.server.middleware.body_limit import BodyLimitMiddleware
from sdtui.server.middleware.proxy import PathMiddleware
from sdtui.server.middleware.request_id import RequestIdMiddleware
from sdtui.server.openapi import documented_app
from sdtui.server.outcome_headers import CHANGED, NOT_APPLIED, WARNING
from sdtui.server.routing import methods_at

_log = logging.getLogger(__name__)
_EXPOSED = (
    *("X-Request-ID", "Retry-After", "X-Should-Retry", "Location", "X-Seed", "X-Job"),
    "Mcp-Session-Id",
    *(CHANGED, NOT_APPLIED, WARNING),
)
_DESCRIPTION = (
    "Pictures from prompts: the API of sdtui, and those of AUTOMATIC1111 and OpenAI for their "
    "clients. Pictures in requests are base64; URLs and paths are never opened."
)


Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


def make_app(services: ServerServices, lifespan: Lifespan | None = None) -> FastAPI:
    """Return the application. `lifespan` is entered at its start and left at its end."""
    app = documented_app(
        keyed=services.options.has_keys,
        title="sdtui",
        version=__version__,
        description=_DESCRIPTION,
        lifespan=lifespan,
        strict_content_type=False,  # some clients of A1111 send none; AuthMiddleware checks origins
    )
    app.state.services = services
    app.state.mcp = McpEndpoint(services)
    routers = (*NATIVE, *A1111, *OPENAI, *HUGGING_FACE, *MCP, *ATTACH, *PAGE)
    app.state.routes = [*app.routes, *(route for router in routers for route in router.routes)]
    for router in routers:
        app.include_router(router)
    app.add_exception_handler(ApiError, _on_error)
    app.add_exception_handler(SdtuiError, _on_error)
    app.add_exception_handler(HTTPException, _on_error)
    app.add_exception_handler(RequestValidationError, _on_error)
    # The last one added is the outermost.
    app.add_middleware(BodyLimitMiddleware, options=services.options, closing=services.closing)
    app.add_middleware(
        AuthMiddleware, options=services.options, keys=services.keys, refusals=services.refusals
    )
    app.add_middleware(
        RequestIdMiddleware, metrics=services.metrics, access_log=services.options.access_log
    )
    if services.options.cors:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(services.options.cors),
            allow_methods=["*"],
            allow_headers=["*"],
            expose_headers=_EXPOSED,
            allow_private_network=True,
        )
    app.add_middleware(PathMiddleware, root_path=services.options.root_path)
    return app


async def _on_error(request: Request, error: Exception) -> JSONResponse:
    answer = _to_api_error(error)
    if answer.status_code == 405:
        answer.headers = {"Allow": ", ".join(methods_at(request.scope))}
    request_id = request.state.request_id
    if answer.status_code >= 500:
        _log.warning("request %s, job %s: %s", request_id, answer.job, answer.message)
    return respond(answer, shape_of(request.scope), request_id)


def _to_api_error(error: Exception) -> ApiError:
    if isinstance(error, ApiError):
        return error
    if isinstance(error, SdtuiError):
        return from_sdtui(error)
    if isinstance(error, RequestValidationError):
        if isinstance(error.body, bytes):
            message = "The body must be JSON, with the header Content-Type: application/json."
            return ApiError(422, "InvalidRequestError", message)
        return from_validation(error.errors(), skipped=1)
    assert isinstance(error, HTTPException)
    kind = {404: "NotFound", 405: "MethodNotAllowed"}.get(error.status_code, "BadRequest")
    message = f"{error.detail.rstrip('.')}."
    if error.status_code == 404:
        message = UNKNOWN_PATH
    return ApiError(error.status_code, kind, message, headers=error.headers)
