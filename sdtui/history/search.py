"""The search language: words, "phrases", -without, and fields such as model: or w>=768.

A search becomes conditions for SQLite. Text of the user is quoted or bound, never part of the SQL
or FTS5 syntax.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sdtui.core.errors import InvalidRequestError, Problem
from sdtui.core.fields import Field
from sdtui.core.text import nearest
from sdtui.history.ids import LARGEST, SMALLEST, first_id
from sdtui.history.segmentation import phrase
from sdtui.requests.request import MAX_SEED, REQUEST_FIELDS

Value = int | float | str

MAX_CHARACTERS = 2_000
MAX_TERMS = 40

_TERM = re.compile(
    r"""(?=\S)(?P<minus>-)?
        (?:(?P<field>[A-Za-z_]+)(?P<sign>:|<=|>=|<|>|=))?
        (?:"(?P<phrase>[^"]*)(?P<closed>"?)|(?P<word>[^\s"]*))""",
    re.VERBOSE,
)


@dataclass(frozen=True)
class Condition:
    """A condition and the values bound to it."""

    sql: str
    """A condition on the table `entries`, with `{id}` for the id column."""
    values: tuple[Value, ...]
    is_about_id: bool = False
    """True if it uses no column but the id."""


@dataclass(frozen=True)
class Search:
    """A parsed search: an FTS5 expression (or none) and conditions, joined by AND."""

    match: str | None
    conditions: tuple[Condition, ...]

    @property
    def words_only(self) -> bool:
        """True if the table `words` is enough to answer it."""
        return all(condition.is_about_id for condition in self.conditions)


GRID, SHEET = "grid", "sheet"
"""Names in the table `facts`: of pictures of a grid, with its id, and of their sheets."""

_ANSWERS = {"yes": True, "no": False}
_TEXT_COLUMNS = {"model": "model", "sampler": "sampler"}
_COLUMNS = {
    "width": "width",
    "height": "height",
    "num_inference_steps": "steps",
    "guidance_scale": "guidance",
    "seed": "seed",
}
"""The fields of a request that have a column; the others are rows of the table `facts`."""
_NUMBERS: Mapping[str, Field] = {
    name: field
    for field in REQUEST_FIELDS.values()
    for name in field.spec.search
    if field.type in (int, float)
}
"""The fields of a request that are searched by number, by their names in a search."""


def is_fact(name: str) -> bool:
    """True if a field of a request is found through the table `facts`."""
    field = REQUEST_FIELDS.get(name)
    return field is not None and bool(field.spec.search) and name not in _COLUMNS


def parse_search(text: str) -> Search:
    """Parse a search.

    A field without a value (still being typed) is ignored. So is a word without letters, digits and
    symbols, unless that is all there is: then nothing is found. Raises InvalidRequestError for an
    unknown field or a value that its field doesn't take.
    """
    if len(text) > MAX_CHARACTERS:
        raise _problem(text[:20] + "...", f"is longer than {MAX_CHARACTERS} letters")
    included: list[str] = []
    excluded: list[str] = []
    conditions: list[Condition] = []
    is_unusable = False
    for number, term in enumerate(_TERM.finditer(_valid(text))):
        if number >= MAX_TERMS:
            raise _problem(text[:20] + "...", f"has more than {MAX_TERMS} parts")
        parsed = _parse_term(term)
        if isinstance(parsed, Condition):
            conditions.append(_negated(parsed) if term["minus"] else parsed)
        elif parsed is not None:
            (excluded if term["minus"] else included).append(parsed)
        elif not term["minus"] and _value(term).strip():
            is_unusable = True
    if is_unusable and not (included or excluded or conditions):
        conditions.append(Condition("0", (), is_about_id=True))
    match, without = " AND ".join(included), " OR ".join(excluded)
    if match and without:
        match = f"({match}) NOT ({without})"
    elif without:
        not_matching = "{id} NOT IN (SELECT rowid FROM words WHERE words MATCH ?)"
        conditions.append(Condition(not_matching, (without,), is_about_id=True))
    return Search(match or None, tuple(conditions))


def is_query(text: str) -> bool:
    """True if a text has more than words: a phrase in quotes, a field or a word to leave out."""
    return '"' in text or any(
        term["minus"] or (term["field"] or "").lower() in FIELDS for term in _TERM.finditer(text)
    )


def searched_words(text: str) -> list[str]:
    """Return the words and phrases of a search that a picture's prompt has to have."""
    terms = _TERM.finditer(_valid(text[:MAX_CHARACTERS]))
    found = (_value(term) for term in terms if term["field"] is None and not term["minus"])
    return [value for value in found if value.strip()]


def _valid(text: str) -> str:
    """`text` as SQLite takes it: the halves of a surrogate pair joined, and those without the other
    half replaced."""
    encoded = text.replace("\0", " ").encode("utf-16-le", "surrogatepass")
    return encoded.decode("utf-16-le", "replace")


def _value(term: re.Match[str]) -> str:
    quoted: str | None = term["phrase"]
    return term["word"] if quoted is None else quoted


def _parse_term(term: re.Match[str]) -> Condition | str | None:
    """A condition, an FTS5 expression, or None for an incomplete term."""
    value = _value(term)
    if not value:
        if term["field"] is not None:
            _check_field(term["field"])
        return None
    complete = bool(term["closed"])
    if term["field"] is None:
        return _words("{prompt negative_prompt}", value, complete=complete)
    name, sign = term["field"].lower(), term["sign"].replace(":", "=")
    if name in _NUMBERS:
        return _number(name, sign, value)
    if name == "date":
        return _date(sign, value)
    _check_field(name)
    if sign != "=":
        raise _problem(f"{name}{sign}{value}", f"{name} can't be compared: write {name}:{value}")
    if name in _TEXT_COLUMNS:
        return _words(_TEXT_COLUMNS[name], value, complete=complete)
    return _FIELDS[name](value)


def _words(columns: str, text: str, *, complete: bool) -> str | None:
    """An FTS5 expression for consecutive words, the last one a prefix unless `complete`."""
    found = phrase(text, complete=complete)
    return None if found is None else f"{columns} : {found}"


def _number(name: str, sign: str, value: str) -> Condition:
    field = _NUMBERS[name]
    try:
        number = field.type(value)
    except ValueError as error:
        raise _no_number(name, sign, value) from error
    largest = MAX_SEED if field.name == "seed" else LARGEST
    if field.type is int and not -LARGEST <= number <= largest:
        raise _no_number(name, sign, value, " of at most 64 bits")
    if field.type is float and not math.isfinite(number):
        raise _no_number(name, sign, value)
    if field.name == "seed":
        return Condition(f"(seed < 0, seed) {sign} (?, ?)", (number > LARGEST, signed(number)))
    if field.name in _COLUMNS:
        return Condition(f"{_COLUMNS[field.name]} {sign} ?", (number,))
    having = f"{{id}} IN (SELECT entry FROM facts WHERE name = ? AND value {sign} ?)"
    return Condition(having, (field.name, number), is_about_id=True)


def _no_number(name: str, sign: str, value: str, limit: str = "") -> InvalidRequestError:
    return _problem(f"{name}{sign}{value}", f'{name} takes a number{limit}, not "{value}"')


def _size(value: str) -> Condition:
    match = re.fullmatch(r"(\d{1,6})[xX](\d{1,6})", value)
    if match is None:
        raise _problem(f"size:{value}", f'size takes width x height like 512x768, not "{value}"')
    return Condition("(width = ? AND height = ?)", (int(match[1]), int(match[2])))


def _star(value: str) -> Condition:
    if value.lower() not in _ANSWERS:
        raise _problem(f"star:{value}", f'star takes yes or no, not "{value}"')
    return Condition("starred = ?", (int(_ANSWERS[value.lower()]),))


def _tag(value: str) -> Condition:
    tagged = "{id} IN (SELECT entry FROM tags WHERE tag = ?)"
    return Condition(tagged, (folded_tag(value),), is_about_id=True)


def folded_tag(tag: str) -> str:
    """A tag in the form in which tags are compared."""
    return unicodedata.normalize("NFC", tag.casefold())


def _date(sign: str, value: str) -> Condition:
    """A day, month or year in local time, compared with ids, since these begin with the time."""
    match = re.fullmatch(r"(\d{4})(?:-(\d{1,2})(?:-(\d{1,2}))?)?", value)
    try:
        if match is None:
            raise ValueError(value)
        year, month, day = (int(part) if part else None for part in match.groups())
        start = datetime(year or 0, month or 1, day or 1)
    except ValueError as error:
        raise _problem(
            f"date{sign}{value}",
            f'date takes a day, month or year like 2026-11-22, 2026-11 or 2026, not "{value}"',
        ) from error
    first = SMALLEST if start == datetime.min else first_id(start.astimezone())
    after = _end_of(start, month, day)
    conditions: dict[str, tuple[str, tuple[int, ...]]] = {
        "=": ("({id} >= ? AND {id} < ?)", (first, after)),
        "<": ("{id} < ?", (first,)),
        "<=": ("{id} < ?", (after,)),
        ">": ("{id} >= ?", (after,)),
        ">=": ("{id} >= ?", (first,)),
    }
    sql, values = conditions[sign]
    return Condition(sql, values, is_about_id=True)


def _end_of(start: datetime, month: int | None, day: int | None) -> int:
    """The first id after a day, month (`day` is None) or year (both are None)."""
    try:
        if day is not None:
            following = start + timedelta(days=1)
        elif month is not None:
            following = datetime(start.year + month // 12, month % 12 + 1, 1)
        else:
            following = datetime(start.year + 1, 1, 1)
    except (OverflowError, ValueError):  # the year 10000
        return LARGEST
    return first_id(following.astimezone())


def _grid(value: str) -> Condition:
    if value.lower() in _ANSWERS:
        return _having("name = ?", (GRID,), is_wanted=_ANSWERS[value.lower()])
    return _having("name = ? AND value = ?", (GRID, value.lower()))


def _sheet(value: str) -> Condition:
    if value.lower() not in _ANSWERS:
        raise _problem(f"sheet:{value}", f'sheet takes yes or no, not "{value}"')
    return _having("name = ?", (SHEET,), is_wanted=_ANSWERS[value.lower()])


def _having(test: str, values: tuple[str, ...], *, is_wanted: bool = True) -> Condition:
    """A condition on the table `facts`."""
    having = "IN" if is_wanted else "NOT IN"
    sql = f"{{id}} {having} (SELECT entry FROM facts WHERE {test})"
    return Condition(sql, values, is_about_id=True)


_FIELDS: dict[str, Callable[[str], Condition]] = {
    "size": _size,
    "star": _star,
    "tag": _tag,
    "grid": _grid,
    "sheet": _sheet,
}

FIELDS = (*_TEXT_COLUMNS, *_NUMBERS, *_FIELDS, "date")
"""All fields of the search language."""


def signed(seed: int) -> int:
    """A seed as SQLite stores it, whose integers have a sign: those above 2^63 - 1 are negative."""
    return seed if seed < 2**63 else seed - 2**64


def unsigned(stored: int) -> int:
    """The seed that is stored so."""
    return stored if stored >= 0 else stored + 2**64


def _negated(condition: Condition) -> Condition:
    return replace(condition, sql=f"NOT coalesce({condition.sql}, 0)")


def _check_field(name: str) -> None:
    if name.lower() not in FIELDS:
        near = nearest(name, FIELDS)
        hint = f'did you mean "{near}"?' if near else f"there are {', '.join(FIELDS)}"
        raise _problem(name, f'there is no field "{name}"; {hint} (quotes search for it as words)')


def _problem(value: str, message: str) -> InvalidRequestError:
    return InvalidRequestError([Problem("search", value, message)])
