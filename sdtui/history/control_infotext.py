"""ControlNets in A1111's infotext: `ControlNet 0: "Module: canny, Model: …"`, as its extension
sd-webui-controlnet writes them (internal_controlnet/args.py)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from sdtui.core.enums import ImageFit
from sdtui.core.picture_entries import ControlEntry, ControlMode, EntryError
from sdtui.core.pictures.preprocessors import DEFAULT_RESOLUTION, PREPROCESSORS, chosen_values
from sdtui.requests.record import ControlRecord

_KEY = re.compile(r"ControlNet \d{1,2}")
_PAIR = re.compile(r"(?:^|, )([A-Z][A-Za-z ]*): ")
_FITS = {
    ImageFit.STRETCH: "Just Resize",
    ImageFit.CROP: "Crop and Resize",
    ImageFit.PAD: "Resize and Fill",
}
_MODES = {
    ControlMode.BALANCED: "Balanced",
    ControlMode.PROMPT: "My prompt is more important",
    ControlMode.CONTROL: "ControlNet is more important",
}
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
}
"""The extension's keys and the options of an entry."""
_NAMES: Mapping[str, Mapping[str, str]] = {
    "resize": {name.lower(): fit for fit, name in _FITS.items()},
    "mode": {name.lower(): mode for mode, name in _MODES.items()},
}


def control_pairs(units: tuple[ControlRecord, ...]) -> Iterator[tuple[str, str]]:
    """Yield the key and the value of each net."""
    for number, unit in enumerate(units):
        entry = ControlEntry.parse(unit.entry)
        low, high = chosen_values(entry.preprocessor, entry.low, entry.high)
        values = {
            "Module": PREPROCESSORS[entry.preprocessor].a1111_name,
            "Model": unit.title,
            "Weight": entry.weight,
            "Resize Mode": _FITS[entry.resize],
            "Processor Res": entry.resolution or DEFAULT_RESOLUTION,
            "Threshold A": low,
            "Threshold B": high,
            "Guidance Start": entry.start,
            "Guidance End": entry.end,
            "Pixel Perfect": entry.pixel_perfect,
            "Control Mode": _MODES[entry.mode],
        }
        yield f"ControlNet {number}", ", ".join(f"{key}: {value}" for key, value in values.items())


def is_control_key(key: str) -> bool:
    """True for the key of a net."""
    return _KEY.fullmatch(key) is not None


def control_entries(pairs: Mapping[str, str]) -> tuple[str, ...]:
    """Return the entries, without their pictures, of the nets in an infotext; those that can't be
    read are left out."""
    entries = []
    for key, text in pairs.items():
        if is_control_key(key):
            try:
                entries.append(str(ControlEntry.of(_values(text))))
            except EntryError:
                continue
    return tuple(entries)


def _values(text: str) -> dict[str, object]:
    parts = _PAIR.split(text)[1:]
    found = dict(zip(parts[::2], parts[1::2], strict=False))
    values: dict[str, object] = {}
    for key, option in _OPTIONS.items():
        value = found.get(key, "").strip()
        if value and value != "-1":
            values[option] = _NAMES.get(option, {}).get(value.lower(), value)
    return values
