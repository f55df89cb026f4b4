"""Checking values that a person or a program gives, with errors that name every wrong field."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from sdtui.core.errors import InvalidRequestError, Problem
from sdtui.core.fields import Field
from sdtui.core.text import shortened
from sdtui.requests.field_table import FieldTable

_Request = TypeVar("_Request")
_PYDANTICS_SHOULD = re.compile(r"^[A-Z][a-z]+ should")
"""As in "Input should be a multiple of 8" or "String should have at most 100 characters"."""
_LIMITS = {"less than or equal to": "at most", "greater than or equal to": "at least"}
"""Pydantic's words for limits → shorter ones."""


def validate(
    kind: type[_Request],
    fields: FieldTable,
    values: Mapping[str, Any],
    problems: Iterable[Problem] = (),
) -> _Request:
    """A request made from flat values or values in sections. `problems` are those that the caller
    has found already. Raises InvalidRequestError."""
    flat = fields.flat(values)
    found = [*problems]
    request: _Request | None = None
    kind_adapter: TypeAdapter[_Request] = _adapter(kind)  # type: ignore[arg-type]
    try:
        request = kind_adapter.validate_python(fields.nested(flat))
    except ValidationError as error:
        found += _problems(error, fields)
    for name, missing in fields.orphans(flat).items():
        found += _orphan_problems(fields[name], flat[name], missing)
    if found or request is None:
        raise InvalidRequestError(found)
    return request


def validate_fields(fields: FieldTable, values: Mapping[str, Any]) -> dict[str, Any]:
    """Some fields alone, without the request that they would belong to: flat, in their own types.
    Raises InvalidRequestError."""
    checked = {}
    problems: list[Problem] = []
    for name, value in fields.flat(values).items():
        if name in fields:
            try:
                checked[name] = _check(fields[name], value)
            except InvalidRequestError as error:
                problems += error.problems
        else:
            problems.append(Problem(name, value, explain("extra_forbidden", "", value)))
    if problems:
        raise InvalidRequestError(problems)
    return checked


def _check(field: Field, value: Any) -> Any:
    """One field's value. Raises InvalidRequestError."""
    if value is None and field.default is None:
        return None
    try:
        return _adapter(field.annotation).validate_python(value)
    except ValidationError as error:
        raise InvalidRequestError(
            [
                Problem(
                    ".".join([field.name, *map(str, each["loc"])]),
                    each.get("input"),
                    explain(each["type"], each["msg"], each.get("input")),
                )
                for each in error.errors(include_url=False)
            ]
        ) from error


def _orphan_problems(field: Field, value: Any, missing: str) -> Iterable[Problem]:
    """Return the problems of a value in a section that doesn't exist; none if it is open or the
    default, since forms and version 0.1 send every field."""
    try:
        _check(field, value)
    except InvalidRequestError as error:
        return error.problems
    if field.default is None and value is not None:
        message = f"{field.name} only has a meaning together with {missing}"
        return [Problem(field.name, value, message)]
    return []


def _problems(error: ValidationError, fields: FieldTable) -> list[Problem]:
    return [
        Problem(
            field=fields.name_of(entry["loc"]),
            value=entry.get("input"),
            message=explain(entry["type"], entry["msg"], entry.get("input")),
        )
        for entry in error.errors(include_url=False)
    ]


def build_validators(kind: type[object], fields: FieldTable) -> None:
    """Build what `validate` and `validate_fields` need, which takes tens of milliseconds the first
    time."""
    for annotation in (kind, *(field.annotation for field in fields.values())):
        _adapter(annotation)


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def explain(kind: str, message: str, value: object) -> str:
    """Say what is wrong with a value, given the type, message and input of an entry of pydantic's
    `ValidationError.errors()`."""
    if kind == "missing":
        return "is missing"
    if kind in ("extra_forbidden", "unexpected_keyword_argument"):
        return "is not a field of a request"
    text = message.removeprefix("Value error, ")
    if kind == "value_error":
        return text
    if kind == "int_parsing_size":  # of numbers with an exponent, and of thousands of digits
        return f"is too large a number: {_quoted(value)}"
    if kind.startswith(("int_", "float_")):
        wanted = "whole number" if kind.startswith("int_") else "number"
        return f"must be a {wanted}, not {_quoted(value)}"
    if kind in ("bool_parsing", "bool_type"):
        return f"must be true or false, not {_quoted(value)}"
    if kind == "dataclass_type":
        return f"must be an object, not {_quoted(value)}"
    if kind == "path_type":
        return f"must be a path, not {_quoted(value)}"
    if kind == "string_unicode":
        return "must be text (UTF-8)"
    message = _PYDANTICS_SHOULD.sub("must", text)
    for long, short in _LIMITS.items():
        message = message.replace(long, short)
    if kind in ("too_long", "too_short"):  # of lists, it says how many there are
        message = message.replace(" after validation", "")
        return f"{message[0].lower()}{message[1:]}"
    return f"{message[0].lower()}{message[1:]}, not {_quoted(value)}"


def _quoted(value: object) -> str:
    """A value as a message names it. Lists and objects may be as large as a request's body."""
    if value is None:
        return "null"
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, list | tuple):
        return "a list"
    text = shortened(str(value))
    return text if text.strip() else f'"{text}"'
