"""ControlNets in A1111's infotext: `ControlNet 0: "Module: canny, Model: …"`, as its extension
sd-webui-controlnet writes them (internal_controlnet/args.py)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sdtui.core.control_names import A1111_FITS, A1111_MODES, A1111_PASSES, ControlPasses
from sdtui.core.picture_entries import (
    ControlEntry,
    EntryError,
    IPAdapterEntry,
)
from sdtui.core.pictures.preprocessors import (
    DEFAULT_RESOLUTION,
    IP_ADAPTER_MODULE,
    PREPROCESSORS,
    chosen_values,
    is_ip_adapter_module,
)
from sdtui.requests.record import ControlRecord, IPAdapterRecord

_KEY = re.compile(r"ControlNet \d{1,2}")
_PAIR = re.compile(r"(?:^|, )([A-Z][A-Za-z ]*): ")
_OPTIONS = {
    "Module": "preprocessor",
    "Model": "name",
    "Weight": "weight",
    "Resize Mode": "resize",
    "Processor Res": "resolution",
    "Threshold A": "low",
    "Threshold B": "high",
    "Guidance Start": "start",
    "Guidance End": "end",
    "Pixel Perfect": "pixel_perfect",
    "Control Mode": "mode",
    "Hr Option": "passes",
}
"""The extension's keys and the options of an entry."""
_OF_ADAPTERS = ("name", "weight", "start", "end")


def control_pairs(
    units: Sequence[ControlRecord], adapters: Sequence[IPAdapterRecord] = ()
) -> Iterator[tuple[str, str]]:
    """Yield the key and the value of each net, and of each IP-Adapter, which is a net to the
    extension."""
    for number, values in enumerate([*map(_net_values, units), *map(_adapter_values, adapters)]):
        yield f"ControlNet {number}", ", ".join(f"{key}: {value}" for key, value in values.items())


def _net_values(unit: ControlRecord) -> dict[str, object]:
    entry = ControlEntry.parse(unit.entry)
    low, high = chosen_values(entry.preprocessor, entry.low, entry.high)
    values: dict[str, object] = {
        "Module": PREPROCESSORS[entry.preprocessor].a1111_name,
        "Model": unit.title,
        "Weight": entry.weight,
        "Resize Mode": A1111_FITS[entry.resize][0],
        "Processor Res": entry.resolution or DEFAULT_RESOLUTION,
        "Threshold A": low,
        "Threshold B": high,
        "Guidance Start": entry.start,
        "Guidance End": entry.end,
        "Pixel Perfect": entry.pixel_perfect,
        "Control Mode": A1111_MODES[entry.mode][0],
    }
    if entry.passes in A1111_PASSES and entry.passes is not ControlPasses.BOTH:
        values["Hr Option"] = A1111_PASSES[entry.passes][0]
    return values


def _adapter_values(unit: IPAdapterRecord) -> dict[str, object]:
    entry = IPAdapterEntry.parse(unit.entry)
    return {
        "Module": IP_ADAPTER_MODULE,
        "Model": unit.adapter,
        "Weight": entry.weight,
        "Guidance Start": entry.start,
        "Guidance End": entry.end,
    }


def is_control_key(key: str) -> bool:
    """True for the key of a net."""
    return _KEY.fullmatch(key) is not None


@dataclass(frozen=True)
class ControlUnits:
    """What the nets of an infotext are here, without their pictures."""

    controls: tuple[str, ...] = ()
    ip_adapters: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    """Why others can't be read."""


def control_units(pairs: Mapping[str, str]) -> ControlUnits:
    """Return the nets and IP-Adapters in an infotext."""
    controls, adapters, problems = [], [], []
    for key, text in pairs.items():
        if not is_control_key(key):
            continue
        values = _values(text)
        try:
            if is_ip_adapter_module(str(values.get("preprocessor", ""))):
                values = {name: values[name] for name in _OF_ADAPTERS if name in values}
                adapters.append(str(IPAdapterEntry.of(values)))
            else:
                controls.append(str(ControlEntry.of(values)))
        except EntryError as error:
            problems.append(f"{key} {error}")
    return ControlUnits(tuple(controls), tuple(adapters), tuple(problems))


def _values(text: str) -> dict[str, object]:
    parts = _PAIR.split(text)[1:]
    found = dict(zip(parts[::2], parts[1::2], strict=False))
    values: dict[str, object] = {}
    for key, option in _OPTIONS.items():
        value = found.get(key, "").strip()
        if value and value != "-1":
            values[option] = value
    return values
