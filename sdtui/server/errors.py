"""Error responses in the shape that each API's clients expect; tracebacks stay in the log."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any, Literal

from fastapi import HTTPException
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.types import Scope

from sdtui.core.errors import InvalidRequestError, Problem, SdtuiError
from sdtui.core.text import shortened
from sdtui.jobs import Job
from sdtui.requests.events import Failed
from sdtui.requests.record import AttemptRecord
from sdtui.requests.validation import explain
from sdtui.server.dialects import names_in_errors
from sdtui.server.error_bodies import (
    A1111Error,
    ErrorAnswer,
    FieldProblem,
    HuggingFaceError,
    JsonRpcError,
    JsonRpcErrorDetail,
    OpenAIError,
    OpenAIErrorDetail,
    OwnError,
)
from sdtui.server.scopes import path_of

Shape = Literal["sdtui", "a1111", "openai", "huggingface", "mcp"]

_PARSE_ERROR, _SERVER_ERROR = -32700, -32000
"""Codes of JSON-RPC."""

_STATUSES: Mapping[str, int] = {
    "InvalidRequestError": 422,
    "ModelNotFoundError": 404,
    "HistoryError": 404,
    "ModelDamagedError": 400,
    "UnsafeModelError": 400,
    "UnsupportedModelError": 400,
    "ImageError": 400,
    "TrainingError": 422,
    "TrainingNotFoundError": 404,
    "TrainingConflictError": 409,
    "QueueFullError": 429,
    "LimitReachedError": 429,
    "ForbiddenError": 403,
    "DownloadError": 502,
    "OutOfMemoryError": 503,
    "QueueClosedError": 503,
    "OutputError": 507,
}
"""By the class of the SdtuiError; all others are 500."""

MOST_PROBLEMS = 20
"""Most problems in a response, since a body could have a million."""

UNKNOWN_PATH = "Not Found"
"""The message for a path that no route has; clients of A1111 compare it."""

GONE = 499
"""Status of a disconnected client in the log and the metrics; it is never sent."""


class ApiError(HTTPException):
    """An error response, raised by handlers and made by `respond`. It is an HTTPException, since
    FastAPI replaces all other errors that are raised while a body is read."""

    def __init__(
        self,
        status: int,
        kind: str,
        message: str,
        *,
        problems: Sequence[Problem] = (),
        headers: Mapping[str, str] | None = None,
        job: str | None = None,
        attempts: Sequence[AttemptRecord] = (),
    ) -> None:
        super().__init__(status, message, dict(headers or {}))
        self.kind = kind
        self.message = with_routes(message)
        self.problems = tuple(replace(each, message=with_routes(each.message)) for each in problems)
        self.job = job
        self.attempts = tuple(attempts)


def from_sdtui(error: SdtuiError, headers: Mapping[str, str] | None = None) -> ApiError:
    """Return the response for an SdtuiError."""
    name = type(error).__name__
    problems: list[Problem] = []
    if isinstance(error, InvalidRequestError):
        problems = [
            replace(each, field=shortened(each.field)) for each in error.problems[:MOST_PROBLEMS]
        ]
        error = InvalidRequestError(problems)
    message = public_message(str(error), name)
    return ApiError(_STATUSES.get(name, 500), name, message, problems=problems, headers=headers)


def from_validation(errors: Iterable[Any], *, skipped: int = 0) -> ApiError:
    """Return the response for pydantic's errors; `skipped` is how many parts of their locations
    are no names of fields."""
    problems = [
        Problem(
            ".".join(shortened(str(part)) for part in each["loc"][skipped:]) or "body",
            None,
            explain(each["type"], each["msg"], each.get("input")),
        )
        for each in islice(errors, MOST_PROBLEMS)
    ]
    message = f"{'; '.join(map(str, problems))}."
    return ApiError(422, "InvalidRequestError", message, problems=problems)


def from_failed(event: Failed, job: Job | None = None) -> ApiError:
    """Return the response for a job that failed, with its attempts, or for a failed preload."""
    return ApiError(
        _STATUSES.get(event.error_type, 500),
        event.error_type or "InternalError",
        public_message(str(event), event.error_type, job),
        job=job.id if job is not None else None,
        attempts=_public_attempts(event, job),
        # The retry ladder has been tried already, so clients shouldn't retry by themselves.
        headers={"x-should-retry": "false"},
    )


def public_message(error: str, error_type: str, job: Job | None = None) -> str:
    """The message of an error for clients, without internal errors and paths of the server."""
    if not error_type:
        where = f" under job {job.id}" if job is not None else ""
        return f"sdtui met an internal error, which the log describes{where}."
    if error_type == "OutputError":
        reason = error.partition(" can't be written: ")[2]
        return f"The picture can't be saved on the server: {reason}" if reason else error
    if error_type in _WITH_PATHS:
        error = _FOLDERS.sub("", error)
    for path in job.request.input_images().values() if job is not None else ():
        error = error.replace(str(path), "that was sent")
    return error


def _public_attempts(event: Failed, job: Job | None) -> list[AttemptRecord]:
    attempts = event.record.attempts if event.record is not None else []
    return [
        each.model_copy(update={"error": public_message(each.error, event.error_type, job)})
        if each.error
        else each
        for each in attempts
    ]


def with_routes(message: str) -> str:
    """A message with routes in place of the commands that its hint names."""
    for command, route in _ROUTES_OF_COMMANDS.items():
        message = message.replace(f'"{command}"', route)
    return message


def ending() -> ApiError:
    """Return the response during shutdown."""
    return hanging_up(
        503,
        "ShuttingDown",
        "The server is ending. Ask again when it is back.",
        {"Retry-After": "10", "x-should-retry": "false"},
    )


def hanging_up(
    status: int, kind: str, message: str, headers: Mapping[str, str] | None = None
) -> ApiError:
    """Return a response to a request whose body wasn't read, which closes the connection."""
    return ApiError(status, kind, message, headers={**(headers or {}), "Connection": "close"})


def respond(error: ApiError, shape: Shape, request_id: str) -> JSONResponse:
    """Return an error in the shape of an API."""
    body: BaseModel
    status = error.status_code
    attempts = list(error.attempts)
    if shape == "openai":
        status = 400 if status == 422 else status  # OpenAI has no 422
        body = openai_error(error, request_id)
    elif shape == "a1111":
        detail = _message(error, _A1111_PARAMS)
        body = A1111Error(
            error=error.kind, detail=detail, id=request_id, job=error.job, attempts=attempts
        )
    elif shape == "huggingface":
        body = HuggingFaceError(error=error.message, id=request_id)
    elif shape == "mcp":
        code = _PARSE_ERROR if status == 400 else _SERVER_ERROR
        detail_of_rpc = JsonRpcErrorDetail(
            code=code, message=error.message, data={"id": request_id}
        )
        body = JsonRpcError(error=detail_of_rpc)
    else:
        answer = ErrorAnswer(
            id=request_id,
            type=error.kind,
            message=error.message,
            problems=[FieldProblem(field=p.field, message=p.message) for p in error.problems],
            job=error.job,
            attempts=attempts,
        )
        body = OwnError(error=answer)
    content = body.model_dump(mode="json")
    if shape == "sdtui" and error.message == UNKNOWN_PATH:
        content["detail"] = UNKNOWN_PATH  # it may be a path of A1111's extensions
    return JSONResponse(content, status, error.headers)


def openai_error(error: ApiError, request_id: str) -> OpenAIError:
    """The body of an error of OpenAI's API."""
    fields = [_param(each.field, _OPENAI_PARAMS) for each in error.problems]
    detail = OpenAIErrorDetail(
        message=_message(error, _OPENAI_PARAMS),
        type=_openai_type(error.status_code),
        param=fields[0] if fields else _OPENAI_PARAM_OF.get(error.kind),
        code=_OPENAI_CODES.get(error.kind, error.kind),
        id=request_id,
        job=error.job,
        attempts=list(error.attempts),
    )
    return OpenAIError(error=detail)


def shape_of(scope: Scope) -> Shape:
    """Return the API of a request's path."""
    path = path_of(scope)
    if path.startswith(("/sdapi/", "/controlnet/", "/internal/")):
        return "a1111"
    if path == "/mcp":
        return "mcp"
    if path.startswith("/models/") or (path == "/" and scope["method"] == "POST"):
        return "huggingface"
    return "openai" if path.startswith(("/v1/", "/openai/")) else "sdtui"


def documented(shape: Shape, *statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the errors of a route for the OpenAPI document: these, and those of all routes."""
    model = _BODIES[shape]
    every = {400, 401, 403, 413, 415, 422, 500, *statuses}
    return {status: {"model": model, "description": _MEANINGS[status]} for status in sorted(every)}


_BODIES: Mapping[Shape, type[BaseModel]] = {
    "sdtui": OwnError,
    "a1111": A1111Error,
    "openai": OpenAIError,
    "huggingface": HuggingFaceError,
    "mcp": JsonRpcError,
}

_MEANINGS: Mapping[int, str] = {
    400: "The request can't be carried out",
    401: "The API key is missing or wrong",
    403: "A web page of another origin sent the request, or the key may not do it",
    404: "The path, model, job, picture or training doesn't exist",
    406: "The result can't be sent in an accepted format",
    408: "The body of the request arrived too slowly",
    409: "The job has ended, another model was chosen meanwhile, or the training is in a condition"
    " that doesn't allow it",
    410: "The job was cancelled by someone else",
    413: "The body of the request is too large",
    415: "The content type or encoding of the body is not supported",
    416: "The file doesn't have the part that Range asks for",
    422: "A value is wrong; the message names the field and its limit",
    429: "The queue or the memory for bodies is full; Retry-After says when to try again",
    500: "An internal error, which the log has under the id",
    502: "The model can't be downloaded from the hub",
    503: "Memory ran out (with the attempts), or the server is shutting down",
    507: "The picture can't be saved",
}

_OPENAI_CODES: Mapping[str, str] = {
    "Unauthorized": "invalid_api_key",
    "InvalidRequestError": "invalid_value",
    "ModelNotFoundError": "model_not_found",
    "QueueFullError": "rate_limit_exceeded",
    "LimitReachedError": "rate_limit_exceeded",
    "OutOfMemoryError": "out_of_memory",
}


_WITH_PATHS = (
    *("HistoryError", "ModelDamagedError", "UnsafeModelError", "UnsupportedModelError"),
    *("TrainingError", "TrainingNotFoundError", "TrainingConflictError"),
)
_FOLDERS = re.compile(r"(?<!\S)/(?:[^/:]*/)+")
"""The folders of the path in a message; they may have spaces."""

_ROUTES_OF_COMMANDS: Mapping[str, str] = {
    "sdtui samplers": "/samplers",
    "sdtui history list": "/history",
    "sdtui models --kind lora": "/loras",
    "sdtui models --kind vae": "/sdapi/v1/sd-vae",
    "sdtui models --kind upscaler": "/sdapi/v1/upscalers",
    "sdtui models --kind controlnet": "/controlnet/model_list",
}

_OPENAI_PARAMS = names_in_errors("openai")
_OPENAI_PARAM_OF: Mapping[str, str] = {"ImageError": "image", "ModelNotFoundError": "model"}

_A1111_PARAMS = {**names_in_errors("a1111"), **names_in_errors("a1111_option")}


def _message(error: ApiError, names: Mapping[str, str]) -> str:
    """The message with an API's names for the fields."""
    messages = [str(replace(each, field=_param(each.field, names))) for each in error.problems]
    return f"{'; '.join(dict.fromkeys(messages))}." if messages else error.message


def _param(field: str, names: Mapping[str, str]) -> str:
    name, *remaining = field.split(".")
    return ".".join((names.get(name, name), *remaining))


def _openai_type(status: int) -> str:
    if status == 401:
        return "authentication_error"
    if status == 429:
        return "rate_limit_error"
    return "server_error" if status >= 500 else "invalid_request_error"
