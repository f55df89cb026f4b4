"""From what a tool wrote to what a request takes, with a reason for whatever can't be taken."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from sdtui.core.errors import InvalidRequestError
from sdtui.core.text import one_line
from sdtui.history.importers.samplers import our_sampler
from sdtui.requests.request import REQUEST_FIELDS
from sdtui.requests.validation import validate_fields

MAX_NOT_CARRIED = 50
"""Reasons in one list."""

_SHOWN = 80  # letters of a value in a reason
_IN_PROMPT = re.compile(r"<(lora|lyco|hypernet):([^:<>]{1,100})[^<>]{0,100}>")


@dataclass(frozen=True)
class ImportedSettings:
    """What a picture says about how it was made."""

    values: dict[str, Any]
    """Field values, each within its limits: ready for `GenerationRequest.parse`. The prompt is
    missing if the picture names none."""
    source: str
    """The tool that made the picture, e.g. "ComfyUI"."""
    not_carried: tuple[str, ...] = ()
    """What could not be taken over, each with the reason; on one line, safe to show."""


@dataclass(frozen=True)
class Found:
    """What a tool wrote, as it wrote it: texts or numbers, None where it says nothing."""

    source: str
    prompt: object = None
    negative_prompt: object = None
    model: object = None
    sampler: object = None
    schedule: object = None
    steps: object = None
    guidance: object = None
    seed: object = None
    width: object = None
    height: object = None
    strength: object = None
    lost: tuple[str, ...] = ()
    """What the tool did besides, that nothing here stands for."""


def carry(found: Found, *, for_init_image: bool = False) -> ImportedSettings:
    """Take over what a request can hold; the strength only where an init image comes from
    elsewhere, for it is not in the picture."""
    values: dict[str, Any] = {}
    lost: list[str] = []
    wanted = {
        "prompt": _text(found.prompt),
        "negative_prompt": _text(found.negative_prompt),
        "model": _model(found.model),
        "sampler": _sampler(found, lost),
        "num_inference_steps": _whole(found.steps),
        "guidance_scale": _number(found.guidance),
        "width": _whole(found.width),
        "height": _whole(found.height),
        "seed": _whole(found.seed),
    }
    if for_init_image:
        wanted["strength"] = _number(found.strength)
    elif found.strength is not None:
        lost.append(f"Denoising strength {found.strength}: the init image is not in the picture")
    for name, value in wanted.items():
        problem = None if value is None else _problem(name, value)
        if problem is not None:
            lost.append(f"{REQUEST_FIELDS[name].spec.label} {problem}")
        elif value not in (None, ""):
            values[name] = value
    lost += [
        f"{kind} {name}: not applied"
        for kind, name in _IN_PROMPT.findall(_text(found.prompt) or "")
    ]
    lost += found.lost
    return ImportedSettings(
        values, found.source, tuple(_shown(each) for each in lost[:MAX_NOT_CARRIED])
    )


def _problem(name: str, value: object) -> str | None:
    try:
        validate_fields(REQUEST_FIELDS, {name: value})
    except InvalidRequestError as error:
        return error.problems[0].message
    return None


def _sampler(found: Found, lost: list[str]) -> str | None:
    name, schedule = _text(found.sampler), _text(found.schedule)
    if not name:
        return None
    label, unknown = our_sampler(name, schedule)
    if unknown is not None:
        kind = "Schedule" if label else "Sampler"
        lost.append(f"{kind} {unknown[:_SHOWN]}: there is none like it here")
    return label


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _model(value: object) -> str | None:
    """A model's name without folders: those of another machine mean nothing here."""
    text = _text(value)
    return None if text is None else PurePosixPath(text.replace("\\", "/")).name


def _whole(value: object) -> object:
    """A whole number, or the value as it is for the limits to refuse."""
    if isinstance(value, str) and re.fullmatch(r"\s*-?\d{1,30}\s*", value):
        return int(value)
    return value


def _number(value: object) -> object:
    if isinstance(value, str) and re.fullmatch(r"\s*-?\d{1,30}(\.\d{1,30})?\s*", value):
        return float(value)
    return value


def _shown(text: str) -> str:
    line = one_line(text[: 4 * _SHOWN])
    return line if len(line) <= 2 * _SHOWN else line[: 2 * _SHOWN - 3] + "..."
