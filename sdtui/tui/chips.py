"""The recipe as chips: what each shows, and which fit into a line. Without widgets."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath

from rich.cells import cell_len

from sdtui.core.picture_entries import EntryError, PictureEntry
from sdtui.core.text import end_of
from sdtui.requests.request import REQUEST_FIELDS
from sdtui.tui.fields import FormField, list_items
from sdtui.tui.recipe import Recipe

MARK = "•"
"""Stands behind a value that the user changed."""

_GAP, _NARROW_GAP = 2, 1
_LONG_NAME, _SHORT_NAME = 24, 16
_SHORT_NUMBER = 4
"""Cells of a name, and of a long number in a narrow window, of which the end is shown."""


@dataclass(frozen=True)
class Chip:
    """A field, or two that belong together."""

    fields: tuple[str, ...]
    text: str
    short_text: str
    is_changed: bool = False
    is_wrong: bool = False
    is_unused: bool = False
    """True if the model makes nothing of it."""

    @property
    def name(self) -> str:
        """The field that the chip is for."""
        return self.fields[0]


@dataclass(frozen=True)
class PlacedChip:
    """A chip's place in the window: its line, its first cell there, and what is drawn."""

    chip: Chip
    line: int
    column: int
    text: str

    @property
    def end(self) -> int:
        """The cell after its last."""
        return self.column + cell_len(self.text)


def groups(recipe: Recipe) -> list[tuple[FormField, ...]]:
    """Return the fields of each chip, in the order of the request, whether it is shown or not."""
    found: list[tuple[FormField, ...]] = []
    for field in recipe.fields.values():
        if field.kind == "prompt":
            continue
        if field.joins_chip:
            # The fit of an init image stands between it and its strength.
            place = next(at for at in range(len(found) - 1, -1, -1) if found[at][0].chip)
            found[place] += (field,)
        else:
            found.append((field,))
    return found


def chips(recipe: Recipe) -> list[Chip]:
    """Return the chips of a recipe: those of its usual fields, and of others that were changed.
    Fields without effect, such as the strength without an init image, have none."""
    shown = []
    for fields in groups(recipe):
        chip = _chip(recipe, fields)
        field = fields[0]
        has_text = bool(recipe[field.name].strip())
        if field.needs and not recipe[field.needs].strip() and not (field.is_key and has_text):
            continue
        is_idle = field.is_key and not has_text
        has_effect = chip.is_changed or not chip.is_unused
        if has_effect and not is_idle and (field.chip or chip.is_changed or chip.is_wrong):
            shown.append(chip)
    return shown


def _chip(recipe: Recipe, fields: tuple[FormField, ...]) -> Chip:
    names = tuple(each.name for each in fields)
    return Chip(
        fields=names,
        text=_text(recipe, fields, is_short=False),
        short_text=_text(recipe, fields, is_short=True),
        is_changed=any(map(recipe.is_changed, names)),
        is_wrong=any(name in recipe.problems for name in names),
        is_unused=all(name in recipe.unused for name in names),
    )


def _text(recipe: Recipe, fields: tuple[FormField, ...], *, is_short: bool) -> str:
    values = [recipe.shown(each.name) for each in fields]
    if len(fields) > 1 and set(values) == {fields[0].open_text}:  # of a model that isn't known yet
        return f"{values[0]} size"
    return "".join(
        _part(field, value, is_short=is_short) for field, value in zip(fields, values, strict=True)
    )


def _part(field: FormField, value: str, *, is_short: bool) -> str:
    shown = value
    if (known := REQUEST_FIELDS.get(field.name)) and known.spec.entries:
        shown = _without_pictures(known.spec.entries, value)
    if field.kind == "paths":
        shown = end_of(names_in(value), _SHORT_NAME if is_short else _LONG_NAME)
    elif field.kind in ("path", "model"):
        shown = end_of(PurePath(value).name or value, _SHORT_NAME if is_short else _LONG_NAME)
    elif is_short and value.isdigit() and len(value) > _SHORT_NUMBER + 1:
        shown = end_of(value, _SHORT_NUMBER)
    template = field.chip_short if is_short else field.chip
    return (template or f"{field.label.lower()} {{}}").replace("{}", shown)


def names_in(value: str) -> str:
    """Return the name of the first of several files, and how many others there are."""
    first, *others = list_items(value) or [value]
    name = PurePath(first.strip("'\"")).name or first
    return f"{name} +{len(others)}" if others else name


def _without_pictures(kind: type[PictureEntry], value: str) -> str:
    """Return entries with their names and weights alone."""
    parts = []
    for item in list_items(value):
        try:
            entry = kind.parse(item)
        except EntryError:
            parts.append(item)
        else:
            weight = "" if entry.weight == 1 else f":{entry.weight:g}"
            parts.append(f"{PurePath(entry.name).name}{weight}")
    return ", ".join(parts)


def place_chips(found: Sequence[Chip], width: int) -> list[PlacedChip]:
    """Lay chips out in `width` cells: in full, else shortened, else without some of those that
    were not changed, the last first, else in several lines. A changed or wrong chip is never left
    out."""
    placed = _in_lines(found, width, _GAP, is_short=False)
    if line_count(placed) == 1:
        return placed
    kept = list(found)
    while True:
        placed = _in_lines(kept, width, _NARROW_GAP, is_short=True)
        droppable = [each for each in kept if not (each.is_changed or each.is_wrong)]
        if line_count(placed) == 1 or not droppable:
            return placed
        kept.remove(droppable[-1])


def line_count(placed: Iterable[PlacedChip]) -> int:
    """Return how many lines chips take."""
    return max((each.line for each in placed), default=0) + 1


def _in_lines(found: Iterable[Chip], width: int, gap: int, *, is_short: bool) -> list[PlacedChip]:
    placed = []
    line = column = 0
    for chip in found:
        text = (chip.short_text if is_short else chip.text) + (MARK if chip.is_changed else "")
        here = PlacedChip(chip, line, column, text)
        if here.end > width and column > 0:
            line += 1
            here = replace(here, line=line, column=0)
        if here.end > width:
            here = replace(here, text=end_of(text, max(1, width)))
        placed.append(here)
        column = here.end + gap
    return placed
