"""Take `<lora:NAME:TE:UNET>` out of prompts.

The grammar is A1111's (modules/extra_networks.py, extensions-builtin/Lora): arguments are parted
by `:`, positional or named (`te=`, `unet=`, `dyn=`); the text encoder's weight is 1 by default, and
the UNet's is the same as the text encoder's. `lbw=`, `start=`, `stop=` and `step=A-B` are those of
the extension sd-webui-lora-block-weight. `<lyco:…>` is the same as `<lora:…>`. A name that ends in
`.safetensors` may contain `:`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

_TAG = re.compile(r"<(lora|lyco|hypernet):([^<>]*)>", re.IGNORECASE)
_STEPS = re.compile(r"(\d{1,9})-(\d{1,9})")
_BLOCKS = re.compile(r"[A-Za-z]\w*|[-+.\deE]+(,[-+.\deE]+)+")
"""The name of block weights, or their list."""
_WITH_SUFFIX = re.compile(r"\s*(?P<name>[^=]+?\.safetensors)\s*(?:$|:)", re.IGNORECASE)
"""A name with the suffix of its file."""
_POSITIONAL = ("name", "te", "unet", "dyn")
_NAMED = ("te", "unet", "dyn", "lbw", "start", "stop", "step")


class LoraTextError(ValueError):
    """A text that doesn't name a LoRA and its weights; the message follows the text."""


@dataclass(frozen=True)
class LoraUse:
    """A LoRA and how strongly it is applied."""

    name: str
    te: float = 1.0
    """The weight for the text encoders."""
    unet: float = 1.0
    """The weight for the denoiser."""
    rank: int | None = None
    """The most ranks that are used (`dyn`)."""
    blocks: str = ""
    """Block weights: numbers parted by commas, or the name of a list."""
    start: int | None = None
    """The first step in which it is applied to the denoiser, counted from 0."""
    stop: int | None = None
    """The first step in which it isn't any more."""

    @property
    def changes_by_step(self) -> bool:
        """True if it isn't applied to the denoiser in every step."""
        return self.start is not None or self.stop is not None

    def is_on(self, step: int) -> bool:
        """True if it is applied to the denoiser in this step."""
        return (self.start or 0) <= step and (self.stop is None or step < self.stop)

    def __str__(self) -> str:
        """The short form, which `parse_lora` reads."""
        parts = [self.name]
        if (self.te, self.unet) != (1.0, 1.0):
            parts.append(f"{self.te:g}")
        if self.unet != self.te:
            parts.append(f"{self.unet:g}")
        named = {"dyn": self.rank, "lbw": self.blocks or None}
        steps = {"start": self.start, "stop": self.stop}
        given = {name: value for name, value in {**named, **steps}.items() if value is not None}
        return ":".join([*parts, *(f"{name}={value}" for name, value in given.items())])


@dataclass(frozen=True)
class TaggedText:
    """A prompt without its tags."""

    text: str
    loras: tuple[LoraUse, ...] = ()
    problems: tuple[str, ...] = ()
    """What is wrong with tags, in sentences without a full stop."""


def take_tags(text: str) -> TaggedText:
    """Take the tags out of a prompt; blanks and commas around them stay. Never raises: a tag that
    can't be understood is taken out too, and `problems` says why."""
    loras: list[LoraUse] = []
    problems: list[str] = []

    def take(match: re.Match[str]) -> str:
        kind, arguments = match[1].lower(), match[2]
        try:
            if kind == "hypernet":
                raise LoraTextError("is a hypernetwork, which can't be used")
            loras.append(parse_lora(arguments))
        except LoraTextError as error:
            problems.append(f"{match[0]} {error}")
        return ""

    return TaggedText(_TAG.sub(take, text), tuple(loras), tuple(problems))


def keep_tags(
    text: str, is_known: Callable[[LoraUse], bool], is_open: Callable[[str], bool]
) -> tuple[str, list[str]]:
    """Return a prompt without the tags of LoRAs that aren't known and those that can't be
    understood, and these tags as they are written. Tags that are still open stay."""
    left_out: list[str] = []

    def keep(match: re.Match[str]) -> str:
        if is_open(match[0]):
            return match[0]
        loras = take_tags(match[0]).loras
        if loras and is_known(loras[0]):
            return match[0]
        left_out.append(match[0])
        return ""

    return _TAG.sub(keep, text), left_out


def rename_tags(text: str, names: Mapping[str, str | None]) -> str:
    """Return a prompt with other names in its tags; None takes a tag out. Tags whose names aren't
    among them stay."""

    def rename(match: re.Match[str]) -> str:
        name, colon, rest = match[2].partition(":")
        new = names.get(name.strip(), name)
        return "" if new is None else f"<{match[1]}:{new}{colon}{rest}>"

    return _TAG.sub(rename, text)


def weigh_tags(text: str, weight: float) -> str:
    """Return a prompt whose LoRAs have another weight, for text encoders and denoiser. Tags that
    can't be understood stay."""

    def weigh(match: re.Match[str]) -> str:
        loras = take_tags(match[0]).loras
        if not loras:
            return match[0]
        return f"<{match[1]}:{replace(loras[0], te=weight, unet=weight)}>"

    return _TAG.sub(weigh, text)


def parse_lora(text: str) -> LoraUse:
    """Parse `NAME[:TE[:UNET]]` and named arguments, as in a tag. Raises LoraTextError."""
    positional: list[str] = []
    named: dict[str, str] = {}
    whole = _WITH_SUFFIX.match(text)
    if whole is not None:
        positional.append(whole["name"])
        text = text[whole.end() :]
    for part in (part.strip() for part in text.split(":")) if text or whole is None else ():
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if equals and positional and key.lower() in _NAMED:
            named[key.lower()] = value
        elif equals and positional:
            raise LoraTextError(f"has an argument {key}, but there are only {', '.join(_NAMED)}")
        else:
            positional.append(part)
    values = {**_positional(positional), **named}
    if not values.get("name"):
        raise LoraTextError("names no LoRA")
    te = _number(values, "te", 1.0)
    start, stop = _steps(values)
    rank = _count(values, "dyn")
    if rank == 0:
        raise LoraTextError("has dyn=0, but needs at least one rank")
    return LoraUse(
        name=values["name"],
        te=te,
        unet=_number(values, "unet", te),
        rank=rank,
        blocks=values.get("lbw", ""),
        start=start,
        stop=stop,
    )


def is_writable(use: LoraUse) -> bool:
    """True if `parse_lora` reads the LoRA's short form: names may contain what parts arguments."""
    try:
        parsed = parse_lora(str(use))
    except LoraTextError:
        return False
    return parsed.name == use.name and not parsed.blocks  # "nan" would be block weights


def _positional(parts: Sequence[str]) -> dict[str, str]:
    """Return positional arguments by name. After the name and one weight, block weights may stand
    without `lbw=`, as the extension took them at first."""
    values: dict[str, str] = {}
    names = iter(_POSITIONAL)
    for part in parts:
        if len(values) >= 2 and _BLOCKS.fullmatch(part) and not _is_number(part):
            values["lbw"] = part
            continue
        name = next(names, None)
        if name is None:
            raise LoraTextError(f"has more than {len(_POSITIONAL)} arguments")
        if part or name == "name":
            values[name] = part
    return values


def _steps(values: dict[str, str]) -> tuple[int | None, int | None]:
    start, stop = _count(values, "start"), _count(values, "stop")
    if "step" in values:
        steps = _STEPS.fullmatch(values["step"])
        if steps is None:
            raise LoraTextError(f'has step={values["step"]}, which should be like "5-10"')
        start, stop = int(steps[1]), int(steps[2])
    if start is not None and stop is not None and stop <= start:
        raise LoraTextError(f"stops at step {stop}, before it starts")
    return start, stop


def _number(values: dict[str, str], name: str, default: float) -> float:
    text = values.get(name)
    if text is None:
        return default
    if not _is_number(text):
        raise LoraTextError(f'has the weight "{text}", which is not a number')
    return float(text)


def _count(values: dict[str, str], name: str) -> int | None:
    text = values.get(name)
    if text is None:
        return None
    if not (text.isdecimal() and text.isascii() and len(text) < 10):
        raise LoraTextError(f"has {name}={text}, which is not a whole number")
    return int(text)


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
