"""Entries that name a model file and a picture: `NAME:IMAGE[:WEIGHT][,option=value…]`.

NAME and IMAGE may be paths, also with a Windows drive. A picture with a comma, a semicolon or a
quotation mark in its name stands in double quotes. Without a picture (`NAME`, `NAME::WEIGHT`) an
entry means the init image.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from typing import Any, Self

from sdtui.core.control_names import ControlMode, ControlPasses, choice_of, control_type_name
from sdtui.core.enums import ImageFit
from sdtui.core.pictures.preprocessors import preprocessor_name

_DRIVE = re.compile(r"[A-Za-z]:(\\|/[^:]*\.safetensors(:|$))")
"""The beginning of a path with a drive: with slashes, it could be a name and an absolute path."""
_OPTION = re.compile(r",\s*([a-z_]+)(?:\s*=\s*([^,\"]*))?\Z")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_NEEDS_QUOTES = re.compile(r'[,;"]|^\s|\s$')
_YES, _NO = ("", "yes", "true", "1"), ("no", "false", "0")

LONGEST_ENTRY = 4_000
"""Characters of an entry."""


class EntryError(ValueError):
    """An entry that can't be read; the message follows its text."""


@dataclass(frozen=True)
class PictureEntry:
    """The parts that all entries have. `str` returns the text that `parse` reads."""

    name: str
    image: str = ""
    """A path; "" = the init image, or the tile that is redrawn."""
    weight: float = 1.0
    start: float = 0.0
    end: float = 1.0
    """The shares of the steps between which it is used."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read an entry. Raises EntryError."""
        if len(text) > LONGEST_ENTRY:
            raise EntryError(f"has more than {LONGEST_ENTRY:,} characters")
        head, options = _split_options(text, _converters(cls))
        entry = cls(*_split_head(head), **options)
        entry.check()
        return entry

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """Make an entry of a JSON object. Raises EntryError."""
        converters = {"name": _text, "image": _text, "weight": _weight, **_converters(cls)}
        unknown = next((name for name in values if name not in converters), None)
        if unknown is not None:
            raise EntryError(f"has no {unknown}: it may have {', '.join(converters)}")
        if not values.get("name"):
            raise EntryError("needs a name")
        given = {name: value for name, value in values.items() if value is not None}
        entry = cls(**{name: _converted(name, each, converters) for name, each in given.items()})
        entry.check()
        return entry

    @classmethod
    def json_schema(cls) -> dict[str, Any]:
        """Return the JSON schema of the objects that `of` takes."""
        defaults = {each.name: each.default for each in fields(cls)}
        properties: dict[str, Any] = {
            "name": {"type": "string"},
            "image": {"type": "string", "contentEncoding": "base64"},
            **{
                name: {"default": defaults[name]} if defaults[name] not in (None, "") else {}
                for name in ("weight", *_converters(cls))
            },
        }
        return {"type": "object", "properties": properties, "required": ["name"]}

    def check(self) -> None:
        """Raise EntryError for values that don't go together."""
        if self.start >= self.end:
            raise EntryError(f"begins at {self.start:g} and ends at {self.end:g}, before that")

    def with_image(self, image: str) -> Self:
        """Return a copy with another image."""
        return replace(self, image=image)

    def __str__(self) -> str:
        quoted = self.image
        if _NEEDS_QUOTES.search(quoted):
            quoted = '"{}"'.format(re.sub(r'(["\\])', r"\\\1", quoted))
        parts = [self.name, quoted]
        is_number = _weight_or_none(self.image.rpartition(":")[2]) is not None
        if self.weight != 1.0 or (":" in self.image and is_number):
            parts.append(f"{self.weight:g}")
        elif not quoted:
            parts.pop()
        return ":".join(parts) + "".join(f",{name}={_shown(each)}" for name, each in self.options())

    def options(self) -> list[tuple[str, Any]]:
        """Return the options that aren't the default."""
        return [
            (each.name, getattr(self, each.name))
            for each in fields(self)
            if each.name in _converters(type(self)) and getattr(self, each.name) != each.default
        ]


@dataclass(frozen=True)
class ControlEntry(PictureEntry):
    """A ControlNet with its picture."""

    mode: ControlMode = ControlMode.BALANCED
    preprocessor: str = "none"
    """What makes the control map of the picture; "none" = it is one."""
    low: float | None = None
    high: float | None = None
    """The preprocessor's values; None = its own."""
    resolution: int | None = None
    """Pixels of the shorter side that the preprocessor works on; None = its own."""
    pixel_perfect: bool = False
    """True = the resolution is that of the picture to be made."""
    resize: ImageFit = ImageFit.CROP
    type: str = ""
    """What the picture shows, for a net of several types; "" = what its preprocessor makes."""
    passes: ControlPasses = ControlPasses.BOTH


@dataclass(frozen=True)
class IPAdapterEntry(PictureEntry):
    """An IP-Adapter with its picture."""


def _text(text: str) -> str:
    if not isinstance(text, str):
        raise ValueError("must be a text")
    return text


def _number(minimum: float, maximum: float) -> Callable[[Any], float]:
    def convert(value: Any) -> float:
        number = float("nan") if isinstance(value, bool) else float(value)
        if not minimum <= number <= maximum:
            raise ValueError(f"must be {minimum:g} to {maximum:g}")
        return number

    return convert


_weight = _number(-10, 10)


def _weight_or_none(text: str) -> float | None:
    try:
        return float(text) if re.fullmatch(r"\s*[-+]?\d*\.?\d+\s*", text) else None
    except ValueError:
        return None


def _side(value: Any) -> int:
    return int(_number(64, 2048)(value))


def _switch(value: Any) -> bool:
    plain = str(value).strip().lower()
    if plain not in (*_YES, *_NO):
        raise ValueError("must be yes or no")
    return plain in _YES


def _one_of(choices: type[StrEnum]) -> Callable[[Any], StrEnum]:
    return lambda value: choice_of(choices, str(value))


def _preprocessor(value: Any) -> str:
    return preprocessor_name(_text(value))


def _control_type(value: Any) -> str:
    return control_type_name(_text(value))


_share = _number(0, 1)
_VALUE = _number(-10_000, 10_000)
_CONVERTERS: dict[type, dict[str, Callable[[Any], Any]]] = {
    IPAdapterEntry: {"start": _share, "end": _share},
    ControlEntry: {
        "start": _share,
        "end": _share,
        "mode": _one_of(ControlMode),
        "preprocessor": _preprocessor,
        "low": _VALUE,
        "high": _VALUE,
        "resolution": _side,
        "pixel_perfect": _switch,
        "resize": _one_of(ImageFit),
        "type": _control_type,
        "passes": _one_of(ControlPasses),
    },
}
"""The options of each kind of entry, and what reads their values."""


def _converters(kind: type[PictureEntry]) -> dict[str, Callable[[Any], Any]]:
    return _CONVERTERS[kind]


def _converted(name: str, value: Any, converters: Mapping[str, Callable[[Any], Any]]) -> Any:
    try:
        return converters[name](value)
    except (ValueError, TypeError) as error:
        reason = str(error) if str(error).startswith("must") else "must be a number"
        raise EntryError(f"has a wrong {name}: it {reason}, not {value}") from error


def _split_options(
    text: str, converters: Mapping[str, Callable[[Any], Any]]
) -> tuple[str, dict[str, Any]]:
    """Return what stands before the options, and these."""
    options: dict[str, Any] = {}
    head = text
    while match := _OPTION.search(head):
        name, value = match[1], match[2]
        if name not in converters:
            if value is None or re.search(r"[/\\.:]", value):
                break  # a part of the picture's name
            raise EntryError(f"has no option {name}: there are {', '.join(converters)}")
        if name in options:
            raise EntryError(f"has {name} twice")
        if value is None and converters[name] is not _switch:
            raise EntryError(f"has no value for {name}: write {name}=…")
        options[name] = _converted(name, (value or "").strip(), converters)
        head = head[: match.start()]
    return head, options


def _split_head(head: str) -> tuple[str, str, float]:
    """Return name, image and weight."""
    drive = 2 if _DRIVE.match(head) else 0
    colon = head.find(":", drive)
    name, rest = (head, "") if colon < 0 else (head[:colon], head[colon + 1 :])
    if not name.strip():
        raise EntryError("has no name before the colon: write NAME:IMAGE")
    quoted = _QUOTED.match(rest.strip())
    if quoted:
        image = re.sub(r"\\(.)", r"\1", quoted[1])
        after = rest.strip()[quoted.end() :]
        if after and not after.startswith(":"):
            raise EntryError(f"has {after} behind its image, where :WEIGHT may be")
        return name.strip(), image, _converted("weight", after[1:] or 1.0, {"weight": _weight})
    before, weight_colon, last = rest.rpartition(":")
    if weight_colon and _weight_or_none(last) is not None:
        return name.strip(), before.strip(), _converted("weight", last, {"weight": _weight})
    if rest.endswith(":"):
        raise EntryError("ends with a colon: write its weight behind that")
    return name.strip(), rest.strip(), 1.0


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)
