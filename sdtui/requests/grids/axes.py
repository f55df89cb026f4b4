"""What an axis of a grid can change: nearly every field of a request, words of the prompt, and a
few things that A1111 has as axes.

The fields come from their FieldSpecs, so that a new field is an axis by itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from itertools import permutations
from pathlib import PureWindowsPath
from typing import Any

from sdtui.core.errors import InvalidRequestError, Problem
from sdtui.core.fields import Field
from sdtui.core.samplers import SCHEDULES, sampler_and_schedule
from sdtui.core.text import nearest, shortened
from sdtui.requests.grids.values import MAX_VALUES, joined_values, number_values, split_values
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
class AxisKind:
    """Something that the values of an axis can change."""

    label: str
    """As A1111 names it."""
    names: tuple[str, ...] = ()
    """Other names, in any case and punctuation."""
    help: str = ""
    cost: float = 0.0
    letter: str = ""
    """The key of the field's chip."""
    choices: Sequence[str] = ()
    """The values that there are, if it takes no others."""

    def values(self, text: str, request: Mapping[str, Any]) -> list[str]:
        """Return the values that a text stands for. `request` are the flat values of the request
        that they change. Raises ValueError."""
        del request
        return split_values(text)

    def apply(self, values: Mapping[str, Any], value: str, first: str) -> dict[str, Any]:
        """Return the flat values that change when this is set to `value`; `first` is the first
        value of the axis. Raises ValueError or InvalidRequestError."""
        raise NotImplementedError

    def caption(self, value: str) -> str:
        """What the sheet says about a value."""
        return f"{self.label}: {value}"


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


@dataclass(frozen=True)
class ReplaceKind(AxisKind):
    """The first value, which the prompts have to contain, is replaced by each."""

    def values(self, text: str, request: Mapping[str, Any]) -> list[str]:
        found = split_values(text)
        if not found[0]:
            raise ValueError("needs the words to replace as its first value")
        if not any(found[0] in request[name] for name in ("prompt", "negative_prompt")):
            words = shortened(found[0])
            raise ValueError(f'"{words}" is neither in the prompt nor in the negative prompt')
        return found

    def apply(self, values: Mapping[str, Any], value: str, first: str) -> dict[str, Any]:
        names = ("prompt", "negative_prompt")
        return {name: values[name].replace(first, value) for name in names}

    def caption(self, value: str) -> str:
        return value


@dataclass(frozen=True)
class OrderKind(AxisKind):
    """Words of the prompt in each of their orders. A value is a line of CSV."""

    def values(self, text: str, request: Mapping[str, Any]) -> list[str]:
        words = split_values(text)
        for word in words:
            if not word or word not in request["prompt"]:
                raise ValueError(f'"{shortened(word)}" is not in the prompt')
        count = 1
        for number in range(2, len(words) + 1):
            count *= number
            if count > MAX_VALUES:
                raise ValueError(f"{len(words)} words have more than {MAX_VALUES:,} orders")
        return [joined_values(list(each)) for each in permutations(words)]

    def apply(self, values: Mapping[str, Any], value: str, first: str) -> dict[str, Any]:
        """Put the words at the places where any of them stands, in the order of `value`."""
        prompt: str = values["prompt"]
        wanted = split_values(value)
        parts: list[str] = []
        for word in sorted(wanted, key=prompt.find):
            before, found, after = prompt.partition(word)
            if found:
                parts.append(before)
                prompt = after
        ordered = "".join(f"{part}{word}" for part, word in zip(parts, wanted, strict=False))
        return {"prompt": ordered + prompt}

    def caption(self, value: str) -> str:
        return ", ".join(split_values(value))


@dataclass(frozen=True)
class MatrixKind(AxisKind):
    """Every combination of some texts is added to the prompt, as by A1111's "Prompt matrix". A
    value is a line of CSV."""

    prompt: str = "prompt"
    """The field: that or negative_prompt."""
    separator: str = ", "
    before: str | None = None
    """The end of the prompt that the texts are put before; None = they are appended."""

    def values(self, text: str, request: Mapping[str, Any]) -> list[str]:
        texts = [each for each in split_values(text) if each]
        if 2 ** len(texts) > MAX_VALUES:
            raise ValueError(f"{len(texts)} texts have more than {MAX_VALUES:,} combinations")
        return [
            joined_values([each for bit, each in enumerate(texts) if number >> bit & 1])
            for number in range(2 ** len(texts))
        ]

    def apply(self, values: Mapping[str, Any], value: str, first: str) -> dict[str, Any]:
        texts, prompt = split_values(value), values[self.prompt]
        if self.before is None:
            parts = [prompt, *texts]
        else:
            head = prompt.removesuffix(self.before).removesuffix(self.separator)
            parts = [head, *texts, self.before]
        return {self.prompt: self.separator.join(part for part in parts if part)}

    def caption(self, value: str) -> str:
        return ", ".join(split_values(value))


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
        SizeKind("Size", (), "Width and height, such as 512x768.", letter="w"),
        ScheduleKind(
            "Schedule type",
            ("schedule", "scheduler"),
            "The noise schedule of the sampler.",
            choices=("Automatic", *SCHEDULES),
        ),
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
