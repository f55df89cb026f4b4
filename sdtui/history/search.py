"""The search language: words, "phrases", -without, and fields such as model: or w>=768.

A search becomes conditions for SQLite. Text of the user is quoted or bound, never part of the SQL
or FTS5 syntax.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from sdtui.core.errors import InvalidRequestError
from sdtui.core.text import nearest
from sdtui.history.conditions import (
    CONTROL,
    IP_ADAPTER,
    LORA,
    NAMED,
    NUMBERS,
    Condition,
    answer,
    file_condition,
    grid_condition,
    is_seed,
    job_condition,
    named_condition,
    number_condition,
    owner_condition,
    search_problem,
    sheet_condition,
)
from sdtui.history.ids import LARGEST, SMALLEST, first_id
from sdtui.history.segmentation import phrase
from sdtui.requests.request import MAX_SEED

MAX_CHARACTERS = 2_000
MAX_TERMS = 40

_TEXT_COLUMNS = {"model": "model", "sampler": "sampler"}

_TERM = re.compile(
    r"""(?=\S)(?P<minus>-)?
        (?:(?P<field>[A-Za-z_]+)(?P<sign>:|<=|>=|<|>|=))?
        (?:"(?P<phrase>[^"]*)(?P<closed>"?)|(?P<word>[^\s"]*))""",
    re.VERBOSE,
)


@dataclass(frozen=True)
class Search:
    """A parsed search: an FTS5 expression (or none) and conditions, joined by AND."""

    match: str | None
    conditions: tuple[Condition, ...]

    @property
    def words_only(self) -> bool:
        """True if the table `words` is enough to answer it."""
        return all(condition.is_about_id for condition in self.conditions)


def parse_search(text: str) -> Search:
    """Parse a search.

    A field without a value (still being typed) is ignored. So is a word without letters, digits and
    symbols, unless that is all there is: then nothing is found. Raises InvalidRequestError for an
    unknown field or a value that its field doesn't take.
    """
    if len(text) > MAX_CHARACTERS:
        raise search_problem(text[:20] + "...", f"is longer than {MAX_CHARACTERS} letters")
    included: list[str] = []
    excluded: list[str] = []
    conditions: list[Condition] = []
    is_unusable = False
    for number, term in enumerate(_TERM.finditer(_valid(text))):
        if number >= MAX_TERMS:
            raise search_problem(text[:20] + "...", f"has more than {MAX_TERMS} parts")
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
    if name in NUMBERS:
        return _number(name, sign, value)
    if name == "date":
        return _date(sign, value)
    _check_field(name)
    if sign != "=":
        raise search_problem(
            f"{name}{sign}{value}", f"{name} can't be compared: write {name}:{value}"
        )
    if name in NAMED:
        return named_condition(name, value)
    if name in _TEXT_COLUMNS:
        return _words(_TEXT_COLUMNS[name], value, complete=complete)
    return _FIELDS[name](value)


def _words(columns: str, text: str, *, complete: bool) -> str | None:
    """An FTS5 expression for consecutive words, the last one a prefix unless `complete`."""
    found = phrase(text, complete=complete)
    return None if found is None else f"{columns} : {found}"


def _number(name: str, sign: str, value: str) -> Condition:
    field = NUMBERS[name]
    try:
        number = field.type(value)
    except ValueError as error:
        raise _no_number(name, sign, value) from error
    largest = MAX_SEED if is_seed(field) else LARGEST
    if field.type is int and not -LARGEST <= number <= largest:
        raise _no_number(name, sign, value, " of at most 64 bits")
    if field.type is float and not math.isfinite(number):
        raise _no_number(name, sign, value)
    return number_condition(field, sign, number)


def _no_number(name: str, sign: str, value: str, limit: str = "") -> InvalidRequestError:
    return search_problem(f"{name}{sign}{value}", f'{name} takes a number{limit}, not "{value}"')


def _size(value: str) -> Condition:
    match = re.fullmatch(r"(\d{1,6})[xX](\d{1,6})", value)
    if match is None:
        raise search_problem(
            f"size:{value}", f'size takes width x height like 512x768, not "{value}"'
        )
    return Condition("(width = ? AND height = ?)", (int(match[1]), int(match[2])))


def _star(value: str) -> Condition:
    return Condition("starred = ?", (int(answer("star", value)),))


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
        raise search_problem(
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


_FIELDS: dict[str, Callable[[str], Condition]] = {
    "size": _size,
    "star": _star,
    "tag": _tag,
    **{kind: partial(file_condition, kind) for kind in (LORA, CONTROL, IP_ADAPTER)},
    "grid": grid_condition,
    "job": job_condition,
    "owner": owner_condition,
    "sheet": sheet_condition,
}

FIELDS = (*_TEXT_COLUMNS, *NUMBERS, *_FIELDS, "date", *NAMED)
"""All fields of the search language."""


def _negated(condition: Condition) -> Condition:
    return replace(condition, sql=f"NOT coalesce({condition.sql}, 0)")


def _check_field(name: str) -> None:
    if name.lower() not in FIELDS:
        near = nearest(name, FIELDS)
        hint = f'did you mean "{near}"?' if near else f"there are {', '.join(FIELDS)}"
        raise search_problem(
            name, f'there is no field "{name}"; {hint} (quotes search for it as words)'
        )
