"""The fields of a request under the names of other APIs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, create_model
from pydantic import Field as Limits

from sdtui.core.fields import Field
from sdtui.requests.request import REQUEST_FIELDS

Dialect = Literal["a1111", "a1111_option", "openai"]

_COMBINED: Mapping[Dialect, Mapping[str, str]] = {
    "a1111": {"num_images_per_prompt": "batch_size times n_iter"},
    "a1111_option": {},
    "openai": {
        "width": "size",
        "height": "size",
        "num_images_per_prompt": "n",
        "init_image": "image",
    },
}
"""Fields that an API has in another form; its bodies convert them."""

BOOLS_AS_NUMBERS = BeforeValidator(lambda value: int(value) if isinstance(value, bool) else value)
"""The annotation of a body's number for which JSON's true is 1, as A1111 has it. It stands after
the limits, so that it comes before their check."""


def names_in(dialect: Dialect) -> dict[str, str]:
    """The fields that an API takes as they are: name → its own name for it."""
    return {
        name: theirs
        for name, field in REQUEST_FIELDS.items()
        if (theirs := getattr(field.spec, dialect))
    }


def names_in_errors(dialect: Dialect) -> dict[str, str]:
    """An API's names for the fields of a request, as its clients know them."""
    return {**names_in(dialect), **_COMBINED[dialect]}


def body_with_fields(dialect: Dialect, *, input_images: bool) -> Any:
    """Make the base of a body: a model with the fields that an API takes as they are, all open.
    Those that go with an input image are left out without `input_images`."""
    left_out = set() if input_images else _of_input_images()
    fields: dict[str, Any] = {
        theirs: (_annotation(REQUEST_FIELDS[name]), None)
        for name, theirs in names_in(dialect).items()
        if name not in left_out
    }
    return create_model("RequestFields", **fields)


def _of_input_images() -> set[str]:
    """Return the fields that have no meaning without a file."""
    keys = REQUEST_FIELDS.orphans(dict.fromkeys(REQUEST_FIELDS))
    return {name for name, key in keys.items() if REQUEST_FIELDS[key].is_file}


def _annotation(field: Field) -> Any:
    """The type of a field in a body, open, with its limits."""
    if field.type in (int, float):
        return Annotated[field.type | None, field.spec, BOOLS_AS_NUMBERS]
    if field.spec.entries is not None:  # checked once their pictures have paths
        most = Limits(max_length=field.spec.max_length, description=field.spec.help)
        return Annotated[list[str | dict[str, Any]] | None, most]
    if field.is_list:
        return Annotated[field.annotation.__origin__ | None, field.spec]
    return Annotated[field.type | None, field.spec]


def limits_of(name: str, **changes: Any) -> Any:
    """The annotation that gives a body's field the limits and the text of a request's field."""
    return replace(REQUEST_FIELDS[name].spec, **changes)
