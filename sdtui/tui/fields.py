"""The form's fields, derived from those of a request."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

from sdtui.core.errors import InvalidRequestError, Problem
from sdtui.core.fields import REQUIRED, Field
from sdtui.core.paths import expanded, is_file, is_folder
from sdtui.requests.field_table import FieldTable
from sdtui.requests.request import REQUEST_FIELDS, SIZE_MULTIPLE, GenerationRequest

Kind = Literal["prompt", "model", "choice", "integer", "number", "path", "text"]

_USUAL_SIZES: Mapping[int, tuple[tuple[int, int], ...]] = {
    512: ((640, 512), (768, 512)),
    768: ((1024, 768),),
    1024: ((1152, 896), (1216, 832), (1344, 768)),
}
"""Common sizes for SD 1.x and 2.x, and the sizes that SDXL was trained with."""


@dataclass(frozen=True)
class FormField:
    """A field as the form shows it."""

    name: str
    label: str
    kind: Kind
    help: str
    choices: tuple[str, ...] = ()
    """The first is "" if the field may be left open."""
    default: str = ""
    minimum: float = -math.inf
    maximum: float = math.inf
    step: float = 1
    open_text: str = "auto"
    """Shown while the field is left open."""
    same_row: bool = False
    """True if it is in the row of the previous field."""
    native: bool = False
    """True if the model has a value for it while it is left open."""

    def stepped(self, text: str, by: int) -> str:
        """Return the value `by` steps away, within the limits. An open field begins at the lower
        limit, or at the upper one when going down, or at 0 if there is no such limit."""
        step = Decimal(str(self.step))  # a float would lose the last digits of a large seed
        value = _decimal(text)
        if value is None:
            limit = self.minimum if by > 0 else self.maximum
            value = Decimal(limit if math.isfinite(limit) else 0) - by * step
        # On to the next multiple of a step: 60 becomes 64 and not 124.
        places = value / step
        moved = (math.floor(places) + 1 if by > 0 else math.ceil(places) - 1) * step
        limited = min(Decimal(self.maximum), max(Decimal(self.minimum), moved))
        return str(int(limited)) if self.kind == "integer" else f"{limited:g}"


def _decimal(text: str) -> Decimal | None:
    """Return the number that a text is; None if it is none."""
    try:
        value = Decimal(text)
    except InvalidOperation:
        return None
    return value if value.is_finite() else None


def form_fields(fields: FieldTable = REQUEST_FIELDS) -> tuple[FormField, ...]:
    """Return every field, in the order of the request."""
    return tuple(_form_field(field) for field in fields.values())


def _form_field(field: Field) -> FormField:
    spec = field.spec
    open_choice = ("",) if field.default is None else ()
    choices = spec.choices() if spec.choices else ()
    if issubclass(field.type, StrEnum):
        choices = tuple(str(each) for each in field.type)
    return FormField(
        name=field.name,
        label=spec.form_label or spec.label,
        kind=spec.widget or ("choice" if choices else _kind_of(field.type)),
        help=spec.help,
        choices=(*open_choice, *choices) if choices else (),
        default="" if field.default in (None, REQUIRED) else _text(field.default),
        minimum=-math.inf if spec.ge is None else spec.ge,
        maximum=math.inf if spec.le is None else spec.le,
        step=spec.step,
        open_text=spec.open_text,
        same_row=spec.same_row,
        native=spec.native,
    )


def _kind_of(kind: type) -> Kind:
    if issubclass(kind, Path):
        return "path"
    if issubclass(kind, int):
        return "integer"
    return "number" if issubclass(kind, float) else "text"


def usual_sizes(side: int) -> list[tuple[int, int]]:
    """Return widths and heights for a model with native squares of `side` pixels: the square, then
    portrait and landscape. Without a list of common sizes they have about as many pixels."""
    sizes = [(side, side)]
    for long, short in _USUAL_SIZES.get(side, ()) or (_shaped(side, 4 / 3), _shaped(side, 16 / 9)):
        sizes += [(short, long), (long, short)]
    return sizes


def _shaped(side: int, shape: float) -> tuple[int, int]:
    root = math.sqrt(shape)
    long, short = (round(side * f / SIZE_MULTIPLE) * SIZE_MULTIPLE for f in (root, 1 / root))
    return long, short


def request_values(texts: Mapping[str, str], fields: FieldTable = REQUEST_FIELDS) -> dict[str, Any]:
    """Return a form's texts as values for GenerationRequest, without open fields and without fields
    of sections that don't exist, e.g. the strength without an init image."""
    values: dict[str, Any] = {}
    for name, text in texts.items():
        field = fields.get(name)
        if not text.strip():
            continue
        if field is not None and field.items:
            values[name] = [part.strip() for part in text.split(",") if part.strip()]
        elif field is not None and field.is_file:
            values[name] = expanded(text.strip())
        else:
            values[name] = text
    for name in fields.orphans(values):
        del values[name]
    return values


def label_of(name: str) -> str:
    """Return a field's label."""
    field = REQUEST_FIELDS.get(name.partition(".")[0])
    return name if field is None else field.spec.label


def parse_form(texts: Mapping[str, str]) -> GenerationRequest:
    """Return the form's request. Raises InvalidRequestError."""
    values = request_values(texts)
    problems = _missing_files(values)
    try:
        request = GenerationRequest.parse({"prompt": "", **values})
    except InvalidRequestError as error:
        raise InvalidRequestError([*problems, *error.problems]) from error
    if problems:
        raise InvalidRequestError(problems)
    return request


def problems_of(texts: Mapping[str, str]) -> dict[str, str]:
    """Return a form's problems: field → message. An empty prompt isn't a problem yet."""
    from sdtui.requests.validation import validate_fields

    values = request_values(texts)
    problems = _missing_files(values)
    try:
        validate_fields(REQUEST_FIELDS, values)
    except InvalidRequestError as error:
        problems += error.problems
    return {problem.field.partition(".")[0]: problem.message for problem in problems}


def _missing_files(values: Mapping[str, Any]) -> list[Problem]:
    problems = []
    for name, path in values.items():
        field = REQUEST_FIELDS.get(name)
        if field is not None and field.is_file and not is_file(path):
            what = "is no picture but a folder" if is_folder(path) else "isn't there"
            problems.append(Problem(name, path, f"{path} {what}"))
    return problems


def form_texts(request: GenerationRequest) -> dict[str, str]:
    """Return the form's texts for `request`."""
    return {name: _text(value) for name, value in request.values().items()}


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return str(value).removesuffix(".0") if isinstance(value, float) else str(value)
