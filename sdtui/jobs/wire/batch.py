"""Several calls in one request."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, TypeAdapter

from sdtui.core.errors import SdtuiError
from sdtui.jobs.wire.calls import CALLS, Call
from sdtui.jobs.wire.errors import WireError, error_from_wire, error_to_wire

BATCHED = frozenset({("models", "describe")})
"""Calls that may be in a batch, by part and name: quick ones that change nothing."""


class SentCall(BaseModel):
    """A call and the JSON of its arguments."""

    part: str
    name: str
    arguments: str


class SentResult(BaseModel):
    """The JSON of a call's result, or its error."""

    result: str | None = None
    error: WireError | None = None


_CALLS = TypeAdapter(list[SentCall])
_RESULTS = TypeAdapter(list[SentResult])


def write_batch(calls: Sequence[tuple[Call, Mapping[str, Any]]]) -> bytes:
    """Return the body for calls with their arguments."""
    return _CALLS.dump_json(
        [
            SentCall(
                part=call.part,
                name=call.name,
                arguments=call.write_arguments(arguments).decode(),
            )
            for call, arguments in calls
        ]
    )


def answer_batch(body: bytes, carry_out: Callable[[Call, dict[str, Any]], Any]) -> bytes:
    """Return the answer to a body. `carry_out` may raise SdtuiError; pydantic's ValidationError is
    raised for what isn't understood, and KeyError for a call that is unknown or not for batches."""
    results = []
    for sent in _CALLS.validate_json(body):
        if (sent.part, sent.name) not in BATCHED:
            raise KeyError(f"{sent.part}/{sent.name}")
        call = CALLS[sent.part, sent.name]
        try:
            result = carry_out(call, call.read_arguments(sent.arguments.encode()))
            results.append(SentResult(result=call.write_result(result).decode()))
        except SdtuiError as error:
            results.append(SentResult(error=error_to_wire(error)))
    return _RESULTS.dump_json(results)


def read_batch(calls: Sequence[tuple[Call, Mapping[str, Any]]], data: bytes) -> list[Any]:
    """Return the results in an answer to these calls; an error in place of a result."""
    return [
        call.read_result((each.result or "").encode())
        if each.error is None
        else error_from_wire(each.error)
        for (call, _), each in zip(calls, _RESULTS.validate_json(data), strict=True)
    ]
