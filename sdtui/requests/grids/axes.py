"""What an axis of a grid can change: nearly every field of a request, words of the prompt, and a
few things that A1111 has as axes.

The fields come from their FieldSpecs, so that a new field is an axis by itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import PureWindowsPath
from typing import Any

from sdtui.core.errors import InvalidRequestError, Problem
from sdtui.core.fields import Field
from sdtui.core.samplers import SCHEDULES, sampler_and_schedule
from sdtui.core.text import nearest, shortened
from sdtui.requests.grids.axis_kind import AxisKind
from sdtui.requests.grids.control_axes import entry_kinds
from sdtui.requests.grids.prompt_axes import LoraWeightKind, MatrixKind, OrderKind, ReplaceKind
from sdtui.requests.grids.values import number_values, split_values
from sdtui.requests.request import RANDOM_SEED, REQUEST_FIELDS, random_seed
from sdtui.requests.sizes import parse_size

NOTHING = "Nothing"
SEED_LABELS = ("Seed", "Var. seed")

_NO_AXES = {"num_images_per_prompt", "policy", "memory_mode"}
"""Fields that change no picture."""
_LABELS: Mapping[str, str] = {
    "prompt": "Whole prompt",
    "guidance_scale": "CFG Scale",
    "model": "Checkpoint name",
    "strength": "Denoising",
    "variation_seed": "Var. seed",
    "variation_strength": "Var. strength",
    "vae": "VAE",
    "rng": "RNG source",
}
"""Fields → labels of A1111's axes, where the field's own label is another."""
_COSTS: Mapping[str, float] = {"model": 1.0, "dtype": 0.9, "speed": 0.8, "vae": 0.7, "loras": 0.6}
"""What it costs to change a field between two jobs: those that load something are changed least.
Those of A1111 and of fields that it hasn't got."""
_WITHOUT_LABEL = ("sampler", "prompt", "negative_prompt", "styles", "loras")
"""Fields whose values say what they are."""


@dataclass(frozen=True)
class NothingKind(AxisKind):
    """No axis."""

    def values(self, text: str, request: Mapping[str, Any]) -> list[str]:
        return [""]

    def apply(self, values: Mapping[str, Any], value: str, first: str) -> dict[str, Any]:
        return {}

    def caption(self, value: str) -> str:
        return ""


@dataclass(frozen=True, kw_only=True)
class FieldKind(AxisKind):
    """A field of a request."""

    field: Field

    def values(self, text: str, request: Mapping[str, Any]) -> list[str]:
        if self.label in SEED_LABELS:
            return [
                str(random_seed()) if each == str(RANDOM_SEED) else each
                for each in number_values(text, int)
            ]
        if issubclass(self.field.type, float):
            return number_values(text, float)
        return number_values(text, int) if self._is_whole else split_values(text)

    @property
    def _is_whole(self) -> bool:
        return issubclass(self.field.type, int) and not issubclass(self.field.type, bool)

    def apply(self, values: Mapping[str, Any], value: str, first: str) -> dict[str, Any]:
        if isinstance(self.field.default, tuple):
            return {self.field.name: (value,) if value else ()}
        return {self.field.name: value}

    def caption(self, value: str) -> str:
        if self.field.spec.widget == "model":
            return PureWindowsPath(value).name.removesuffix(".safetensors") or value
        return value if self.field.name in _WITHOUT_LABEL else super().caption(value)


@dataclass(frozen=True)
class SizeKind(AxisKind):
    """Width and height in one."""

    def apply(self, values: Mapping[str, Any], value: str, first: str) -> dict[str, Any]:
        width, height = parse_size(value)
        return {"width": width, "height": height}


@dataclass(frozen=True)
class ScheduleKind(AxisKind):
    """The noise schedule of the sampler."""

    def apply(self, values: Mapping[str, Any], value: str, first: str) -> dict[str, Any]:
        label = values["sampler"]
        if label is None:
            raise ValueError("needs a sampler: the model's own may have no such schedule")
        name = sampler_and_schedule(label)[0]
        is_plain = value.casefold() in ("", "none", "automatic", "normal")
        return {"sampler": name if is_plain else f"{name} {value}"}


@cache
def axis_kinds() -> tuple[AxisKind, ...]:
    """Return everything that an axis can change."""
    return (
        NothingKind(NOTHING, ("none",), "No axis."),
        ReplaceKind(
            "Prompt S/R",
            ("prompt", "s/r", "replace", "search and replace"),
            "Replaces the first value, which must be in a prompt, by each.",
            cost=0.3,
        ),
        OrderKind("Prompt order", ("order",), "Puts words of the prompt in every order."),
        MatrixKind(
            "Prompt matrix", ("matrix",), "Appends some of the texts, or all, to the prompt."
        ),
        LoraWeightKind(
            "LoRA weight",
            ("lora weights", "lora strength"),
            "The weight of all LoRAs, in the prompt and in the field.",
            cost=0.5,
        ),
        SizeKind("Size", (), "Width and height, such as 512x768.", letter="w"),
        ScheduleKind(
            "Schedule type",
            ("schedule", "scheduler"),
            "The noise schedule of the sampler.",
            choices=("Automatic", *SCHEDULES),
        ),
        *entry_kinds(),
        *(_field_kind(field) for field in REQUEST_FIELDS.values() if field.name not in _NO_AXES),
    )


def _field_kind(field: Field) -> FieldKind:
    spec = field.spec
    choices = spec.choices() if spec.choices else ()
    if issubclass(field.type, StrEnum):
        choices = tuple(str(each) for each in field.type)
    flags = (flag.lstrip("-") for flag in spec.flags)
    others = (field.name, *flags, spec.label, spec.form_label, spec.a1111, spec.infotext)
    # A name of the prompt means search and replace.
    names = () if field.name == "prompt" else (*others, *spec.search)
    return FieldKind(
        _LABELS.get(field.name, spec.label),
        tuple(filter(None, names)),
        spec.help,
        _COSTS.get(field.name, 0.0),
        "" if field.name in ("width", "height") else spec.letter,
        choices,
        field=field,
    )


def field_kind(name: str) -> AxisKind:
    """Return the kind that sets a field, by the field's name. Raises KeyError if there is none."""
    kinds = {kind.field.name: kind for kind in axis_kinds() if isinstance(kind, FieldKind)}
    return kinds[name]


def find_axis_kind(name: str) -> AxisKind:
    """Return what a name means: a label of A1111, a field or its flag, in any case and
    punctuation. Raises InvalidRequestError with the nearest name."""
    known = dict(_plain_names())
    found = known.get(_plain(name))
    if found is None:
        near = nearest(_plain(name), known)
        labels = ", ".join(kind.label for kind in axis_kinds())
        hint = f'did you mean "{known[near].label}"?' if near else f"there are {labels}"
        message = f'there is no axis "{shortened(name)}"; {hint}'
        raise InvalidRequestError([Problem("axis", name, message)])
    return found


@cache
def _plain_names() -> tuple[tuple[str, AxisKind], ...]:
    """Return every name of every kind; the last of two equal ones is the one that counts."""
    return tuple(reversed(list(_names())))


def _names() -> Iterator[tuple[str, AxisKind]]:
    for kind in axis_kinds():
        yield _plain(kind.label), kind
    for kind in axis_kinds():
        for name in kind.names:
            yield _plain(name), kind


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "", name.casefold())
