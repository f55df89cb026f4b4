"""Errors across a connection: a client raises the class that the backend raised."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from sdtui.core import errors
from sdtui.core.errors import (
    CancelledError,
    GenerationError,
    InvalidRequestError,
    Problem,
    SdtuiError,
)


class WireProblem(BaseModel):
    """A wrong value of a request."""

    field: str
    value: Any = None
    message: str


class WireError(BaseModel):
    """An error that a call raised."""

    type: str
    """The name of its class."""
    what: str
    hint: str = ""
    problems: tuple[WireProblem, ...] = ()
    """Of an InvalidRequestError."""
    stage: str = ""
    """Of a GenerationError."""


def error_to_wire(error: SdtuiError | KeyError) -> WireError:
    """Return what crosses the connection."""
    kind = type(error).__name__
    if isinstance(error, KeyError):
        return WireError(type=kind, what=str(error.args[0]) if error.args else "")
    problems: tuple[WireProblem, ...] = ()
    if isinstance(error, InvalidRequestError):
        problems = tuple(
            WireProblem(field=each.field, value=_plain(each.value), message=each.message)
            for each in error.problems
        )
    stage = error.stage if isinstance(error, GenerationError) else ""
    return WireError(type=kind, what=error.what, hint=error.hint, problems=problems, stage=stage)


def _plain(value: object) -> object:
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def error_from_wire(sent: WireError) -> SdtuiError | KeyError:
    """Return the error to raise; an SdtuiError for a class that isn't known here."""
    if sent.type == KeyError.__name__:
        return KeyError(sent.what)
    if sent.type == InvalidRequestError.__name__:
        return InvalidRequestError(
            [Problem(each.field, each.value, each.message) for each in sent.problems]
        )
    if sent.type == CancelledError.__name__:
        return CancelledError()
    kind = getattr(errors, sent.type, None)
    if isinstance(kind, type) and issubclass(kind, GenerationError):
        return kind(sent.what, sent.hint, stage=sent.stage)
    if isinstance(kind, type) and issubclass(kind, SdtuiError):
        return kind(sent.what, sent.hint)
    return SdtuiError(sent.what, sent.hint)
