"""The bodies of errors, as the clients of each API expect them."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from sdtui.requests.record import AttemptRecord


class FieldProblem(BaseModel):
    """A wrong value."""

    field: str
    message: str


class ErrorAnswer(BaseModel):
    """An error of sdtui's own API."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    id: str
    """The id of the request, which the log has with the traceback."""
    type: str
    message: str
    problems: list[FieldProblem] = []
    job: str | None = None
    attempts: list[AttemptRecord] = []
    """The attempts of a run that ran out of memory."""


class OwnError(BaseModel):
    """The body of an error of sdtui's own API."""

    error: ErrorAnswer


class A1111Error(BaseModel):
    """The body of an error of A1111's API."""

    error: str
    detail: str
    body: str = ""
    errors: str = ""
    id: str
    job: str | None = None
    attempts: list[AttemptRecord] = []


class OpenAIErrorDetail(BaseModel):
    """An error of OpenAI's API."""

    message: str
    type: str
    param: str | None = None
    code: str | None = None
    id: str
    job: str | None = None
    attempts: list[AttemptRecord] = []


class OpenAIError(BaseModel):
    """The body of an error of OpenAI's API."""

    error: OpenAIErrorDetail


class HuggingFaceError(BaseModel):
    """The body of an error of Hugging Face's API."""

    error: str
    id: str


class JsonRpcErrorDetail(BaseModel):
    """What went wrong; JSON-RPC's codes are negative."""

    code: int
    message: str
    data: dict[str, str]


class JsonRpcError(BaseModel):
    """The body of an error of MCP's transport, before any of its requests was read."""

    jsonrpc: Literal["2.0"] = "2.0"
    id: None = None
    error: JsonRpcErrorDetail
