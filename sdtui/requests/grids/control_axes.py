"""Axes that change an option of a ControlNet or an IP-Adapter."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

from sdtui.core.control_names import ControlMode
from sdtui.core.picture_entries import ControlEntry, IPAdapterEntry, PictureEntry
from sdtui.core.pictures.preprocessors import PREPROCESSORS
from sdtui.requests.grids.axis_kind import AxisKind
from sdtui.requests.grids.values import number_values, split_values

_NUMBERS: Mapping[str, type[int] | type[float]] = {
    **dict.fromkeys(("weight", "start", "end", "low", "high"), float),
    "resolution": int,
}
_LABELS: Mapping[str, str] = {
    "name": "Model",
    "weight": "Weight",
    "start": "Guidance Start",
    "end": "Guidance End",
    "resize": "Resize Mode",
    "preprocessor": "Preprocessor",
    "resolution": "Pre Resolution",
    "low": "Pre Threshold A",
    "high": "Pre Threshold B",
    "mode": "Control Mode",
}
"""Options, and what the extension sd-webui-controlnet calls their axes (xyz_grid_support.py)."""
_CHOICES: Mapping[str, tuple[str, ...]] = {
    "mode": tuple(ControlMode),
    "preprocessor": tuple(PREPROCESSORS),
}
_COST_OF_LOADING = 0.6


@dataclass(frozen=True, kw_only=True)
class EntryKind(AxisKind):
    """An option of the first entry of a field, as in A1111."""

    entry: type[PictureEntry]
    field_name: str
    option: str

    def values(self, text: str, request: Mapping[str, Any]) -> list[str]:
        if not request[self.field_name]:
            name = self.label.partition("]")[0].lstrip("[")
            raise ValueError(f"needs {name}s, whose first one it changes")
        number = _NUMBERS.get(self.option)
        return split_values(text) if number is None else number_values(text, number)

    def apply(self, values: Mapping[str, Any], value: str, first: str) -> dict[str, Any]:
        changed, *others = values[self.field_name]
        entry = self.entry.parse(changed)
        parts = {each.name: getattr(entry, each.name) for each in fields(entry)}
        given = {name: part for name, part in parts.items() if part not in ("", None)}
        return {self.field_name: (str(self.entry.of({**given, self.option: value})), *others)}


def entry_kinds() -> Iterator[EntryKind]:
    """Yield the axes of ControlNets, and the weight of IP-Adapters."""
    for option, label in _LABELS.items():
        yield EntryKind(
            f"[ControlNet] {label}",
            (f"control {option}",),
            "Of the first ControlNet.",
            _COST_OF_LOADING if option == "name" else 0.0,
            choices=_CHOICES.get(option, ()),
            entry=ControlEntry,
            field_name="controls",
            option=option,
        )
    yield EntryKind(
        "[IP-Adapter] Weight",
        (),
        "Of the first IP-Adapter.",
        entry=IPAdapterEntry,
        field_name="ip_adapters",
        option="weight",
    )
