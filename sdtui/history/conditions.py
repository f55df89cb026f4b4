"""What can be searched besides words: columns of the index, and facts, rows of the table `facts`: a
field of a request and its value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from sdtui.core.errors import InvalidRequestError, Problem
from sdtui.core.fields import Field
from sdtui.history.ids import LARGEST
from sdtui.requests.request import MAX_SEED, REQUEST_FIELDS

Value = int | float | str


@dataclass(frozen=True)
class Condition:
    """A condition and the values bound to it."""

    sql: str
    """A condition on the table `entries`, with `{id}` for the id column."""
    values: tuple[Value, ...]
    is_about_id: bool = False
    """True if it uses no column but the id."""


GRID, SHEET = "grid", "sheet"
"""Facts that are no fields: of pictures of a grid, with its id, and of their sheets."""

JOB = "job"
"""A fact that is no field: the id of the job that made a picture."""

OWNER = "owner"
"""A fact that is no field: the name of the API key with which a server was asked for a picture."""

PARENT = "parent"
"""A fact that is no field: the SHA-256 of a picture that another was made from."""

LORA, CONTROL, IP_ADAPTER = "lora", "control", "ip_adapter"
"""Facts that are no fields: the names of LoRAs, ControlNets and IP-Adapters, in lower case."""

_SHORTEST_HASH = 8
"""Digits of a hash that is searched."""

ANSWERS = {"yes": True, "no": False}
_COLUMNS = {
    "width": "width",
    "height": "height",
    "num_inference_steps": "steps",
    "guidance_scale": "guidance",
    "seed": "seed",
}
"""The fields of a request that have a column; the others are facts."""
_SEARCHED: Mapping[str, Field] = {
    name: field for field in REQUEST_FIELDS.values() for name in field.spec.search
}
NUMBERS: Mapping[str, Field] = {
    name: field for name, field in _SEARCHED.items() if field.type in (int, float)
}
"""The fields of a request that are searched by number, by their names in a search."""
NAMED: Mapping[str, Field] = {
    name: field for name, field in _SEARCHED.items() if name not in NUMBERS
}
"""Those that are searched by a text, one of some choices, or yes and no."""


def hash_fact(kind: str) -> str:
    """Return the fact of the hashes of files of a kind: LORA and the like."""
    return f"{kind}_hash"


def is_fact(name: str) -> bool:
    """True if a field of a request is found through the table `facts`."""
    field = REQUEST_FIELDS.get(name)
    return field is not None and bool(field.spec.search) and name not in _COLUMNS


def is_seed(field: Field) -> bool:
    """True if a field has values up to 2^64 - 1."""
    return field.spec.le == MAX_SEED


def fact_value(name: str, value: object) -> Value | None:
    """Return how the table has the value of a field; None for one that it hasn't: the default of
    choices, and what no search finds."""
    if not is_fact(name):
        return None
    field = REQUEST_FIELDS[name]
    if name not in (each.name for each in NUMBERS.values()):
        is_usual = value is None or value is False or value == field.default
        return None if is_usual else str(value).casefold()
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if is_seed(field):
        return signed(value) if isinstance(value, int) and 0 <= value <= MAX_SEED else None
    return value if abs(value) <= LARGEST else None


def number_condition(field: Field, sign: str, number: float) -> Condition:
    """Return the condition that a field's value compares so with a number."""
    column = _COLUMNS.get(field.name, "value")
    test = f"{column} {sign} ?"
    values: tuple[Value, ...] = (number,)
    if is_seed(field):
        test = f"({column} < 0, {column}) {sign} (?, ?)"
        values = (number > LARGEST, signed(int(number)))
    if field.name in _COLUMNS:
        return Condition(f"({test})", values)
    return _having(f"name = ? AND {test}", (field.name, *values))


def named_condition(name: str, value: str) -> Condition:
    """Return the condition that a field has a value: a part of a text, a choice, or yes or no.
    Raises InvalidRequestError."""
    field, plain = NAMED[name], value.casefold()
    if field.type is str:
        return _having("name = ? AND instr(value, ?)", (field.name, plain))
    if field.type is bool:
        return _having("name = ?", (field.name,), is_wanted=answer(name, value))
    assert issubclass(field.type, StrEnum)
    choices = [str(each) for each in field.type]
    if plain not in choices:
        message = f'{name} takes {" or ".join(choices)}, not "{value}"'
        raise search_problem(f"{name}:{value}", message)
    if plain == field.default:
        return _having("name = ?", (field.name,), is_wanted=False)
    return _having("name = ? AND value = ?", (field.name, plain))


def grid_condition(value: str) -> Condition:
    """Return the condition that a picture is of any grid, or of that with an id."""
    if value.lower() in ANSWERS:
        return _having("name = ?", (GRID,), is_wanted=ANSWERS[value.lower()])
    return _having("name = ? AND value = ?", (GRID, value.lower()))


def job_condition(value: str) -> Condition:
    """Return the condition that a picture was made by the job with an id."""
    return _having("name = ? AND value = ?", (JOB, value.lower()))


def owner_condition(value: str) -> Condition:
    """Return the condition that a picture was asked for with the API key of a name."""
    return _having("name = ? AND value = ?", (OWNER, value.lower()))


def file_condition(kind: str, value: str) -> Condition:
    """Return the condition that a picture was made with a file of a kind (LORA and the like) with a
    text in its name, or of a hash or the beginning of one."""
    plain = value.casefold()
    values: tuple[Value, ...] = (kind, plain)
    test = "name = ? AND instr(value, ?)"
    if len(plain) >= _SHORTEST_HASH and not set(plain) - set("0123456789abcdef"):
        test = f"{test} OR name = ? AND 1 IN (instr(?, value), instr(value, ?))"
        values += (hash_fact(kind), plain, plain)
    return _having(test, values)


def sheet_condition(value: str) -> Condition:
    """Return the condition that a picture is a sheet. Raises InvalidRequestError."""
    return _having("name = ?", (SHEET,), is_wanted=answer(SHEET, value))


def answer(name: str, value: str) -> bool:
    """Return the truth value of yes or no. Raises InvalidRequestError."""
    if value.lower() not in ANSWERS:
        raise search_problem(f"{name}:{value}", f'{name} takes yes or no, not "{value}"')
    return ANSWERS[value.lower()]


def _having(test: str, values: tuple[Value, ...], *, is_wanted: bool = True) -> Condition:
    """Return a condition on the table `facts`."""
    having = "IN" if is_wanted else "NOT IN"
    sql = f"{{id}} {having} (SELECT entry FROM facts WHERE {test})"
    return Condition(sql, values, is_about_id=True)


def signed(seed: int) -> int:
    """Return a seed as SQLite stores it, whose integers have a sign: those above 2^63 - 1 are
    negative."""
    return seed if seed < 2**63 else seed - 2**64


def unsigned(stored: int) -> int:
    """Return the seed that is stored so."""
    return stored if stored >= 0 else stored + 2**64


def search_problem(value: str, message: str) -> InvalidRequestError:
    """Return the error of a search."""
    return InvalidRequestError([Problem("search", value, message)])
