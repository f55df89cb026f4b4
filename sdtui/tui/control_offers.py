"""The ControlNets and IP-Adapters to choose from, and what choosing one makes of the recipe's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sdtui.core.errors import ModelError
from sdtui.core.fields import Field
from sdtui.core.picture_entries import EntryError, PictureEntry
from sdtui.jobs import Models
from sdtui.models import ControlNet, InstalledFile, IPAdapter, ModelDescription, family_name
from sdtui.tui.fields import list_items
from sdtui.tui.styles import ThemeColour

SUMMARY_HEADS = "family      fits"
"""The heads of the columns in the summary of one that can be used."""

_IP_ADAPTERS = "ip_adapters"
_VERDICTS: Mapping[bool | None, ThemeColour] = {True: "done", False: "error", None: "muted"}


@dataclass(frozen=True)
class ControlOffer:
    """A ControlNet or an IP-Adapter in the list."""

    name: str
    summary: str
    """Text in its line."""
    details: str
    """Text below the list."""
    verdict: ThemeColour = "muted"
    problem: str = ""
    """Why it can't be used; "" if it can."""


def find_control_offers(models: Models, field: str, model: str) -> tuple[ControlOffer, ...]:
    """Return what a field may name, with whether it fits a model, the usable ones first. Not for
    the app's thread."""
    try:
        described = models.describe(models.find(model))
    except ModelError:
        described = None
    found: Sequence[InstalledFile[ControlNet | IPAdapter]]
    found = models.ip_adapters() if field == _IP_ADAPTERS else models.controlnets()
    offers = [_offer(each, described) for each in found]
    return tuple(sorted(offers, key=lambda each: bool(each.problem)))


def _offer(
    listed: InstalledFile[ControlNet | IPAdapter], described: ModelDescription | None
) -> ControlOffer:
    name, path, file, problem = listed.name, str(listed.path), listed.opened, listed.problem
    if file is None:
        return ControlOffer(name, "can't be used", problem, "error", problem)
    if any(each in name for each in ",;:"):
        return ControlOffer(name, "can't be listed", path, "muted", "rename it: a comma or a colon")
    family = family_name(file.family) if file.family else "?"
    fits = None if described is None else True
    if described is not None:
        try:
            file.check_fits(described)
        except ModelError as error:
            fits, problem = False, error.what
    said = {True: "yes", False: "no", None: "?"}[fits]
    details = " · ".join(filter(None, (problem, path)))
    return ControlOffer(name, f"{family:<10}  {said:<4}", details, _VERDICTS[fits], problem)


def typed_entry(field: Field, name: str, typed: str) -> PictureEntry:
    """Return the entry of a name and of what was typed behind a name: `canny:0.8,end=0.6` gives
    weight and options. Raises EntryError."""
    assert field.spec.entries is not None
    head, comma, options = typed.partition(",")
    weight = head.partition(":")[2].strip()
    return field.spec.entries.parse(f"{name}{'::' + weight if weight else ''}{comma}{options}")


def entry_of(field: Field, text: str, name: str) -> PictureEntry | None:
    """Return the entry of a name in the recipe's text; None if there is none."""
    assert field.spec.entries is not None
    for item in list_items(text):
        try:
            entry = field.spec.entries.parse(item)
        except EntryError:
            continue
        if entry.name == name:
            return entry
    return None


def with_entry(field: Field, text: str, entry: PictureEntry) -> str:
    """Return the recipe's text with an entry, in place of the one of its name."""
    used = entry_of(field, text, entry.name)
    if used is None:
        return ", ".join([*list_items(text), str(entry)])
    changed = replace(entry, image=entry.image or used.image)
    return _replaced(field, text, entry.name, [str(changed)])


def without_entry(field: Field, text: str, name: str) -> str:
    """Return the recipe's text without the entry of a name."""
    return _replaced(field, text, name, [])


def _replaced(field: Field, text: str, name: str, by: list[str]) -> str:
    items: list[str] = []
    for item in list_items(text):
        used = entry_of(field, item, name)
        items += [item] if used is None else by
    return ", ".join(items)
