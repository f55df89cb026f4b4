"""Map the settings of another tool to request fields, with a reason for what can't be mapped."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from sdtui.core.errors import InvalidRequestError
from sdtui.core.text import one_line
from sdtui.history.importers.samplers import label_of_sampler
from sdtui.requests.request import REQUEST_FIELDS
from sdtui.requests.validation import validate_fields

MAX_NOT_CARRIED = 50
"""Most reasons in one list."""

_MAX_VALUE = 80  # characters of a value in a reason
_IN_PROMPT = re.compile(r"<(lora|lyco|hypernet):([^:<>]{1,100})[^<>]{0,100}>")


@dataclass(frozen=True)
class ImportedSettings:
    """The settings of a picture as request fields."""

    values: dict[str, Any]
    """Valid values for `GenerationRequest.parse`; no prompt if the picture has none."""
    source: str
    """The tool that made the picture, such as "ComfyUI"."""
    not_carried: tuple[str, ...] = ()
    """What could not be mapped, with the reason; each on one line, safe to display."""


@dataclass(frozen=True)
class ToolSettings:
    """Settings as another tool wrote them: texts or numbers, None if missing."""

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
    unsupported: tuple[str, ...] = ()
    """Other settings, which sdtui has no field for."""


def to_request_values(tool: ToolSettings, *, for_init_image: bool = False) -> ImportedSettings:
    """Map settings to request fields.

    The strength is used only `for_init_image`, since a picture doesn't contain its init image.
    """
    values: dict[str, Any] = {}
    not_carried: list[str] = []
    candidates = {
        "prompt": _text(tool.prompt),
        "negative_prompt": _text(tool.negative_prompt),
        "model": _model(tool.model),
        "sampler": _sampler(tool, not_carried),
        "num_inference_steps": _integer(tool.steps),
        "guidance_scale": _number(tool.guidance),
        "width": _integer(tool.width),
        "height": _integer(tool.height),
        "seed": _integer(tool.seed),
    }
    if for_init_image:
        candidates["strength"] = _number(tool.strength)
    elif tool.strength is not None:
        not_carried.append(
            f"Denoising strength {tool.strength}: the init image is not in the picture"
        )
    for name, value in candidates.items():
        problem = None if value is None else _problem(name, value)
        if problem is not None:
            not_carried.append(f"{REQUEST_FIELDS[name].spec.label} {problem}")
        elif value not in (None, ""):
            values[name] = value
    not_carried += [
        f"{kind} {name}: not applied" for kind, name in _IN_PROMPT.findall(_text(tool.prompt) or "")
    ]
    not_carried += tool.unsupported
    return ImportedSettings(
        values, tool.source, tuple(_one_short_line(each) for each in not_carried[:MAX_NOT_CARRIED])
    )


def _problem(name: str, value: object) -> str | None:
    try:
        validate_fields(REQUEST_FIELDS, {name: value})
    except InvalidRequestError as error:
        return error.problems[0].message
    return None


def _sampler(tool: ToolSettings, not_carried: list[str]) -> str | None:
    name, schedule = _text(tool.sampler), _text(tool.schedule)
    if not name:
        return None
    label, unknown = label_of_sampler(name, schedule)
    if unknown is not None:
        kind = "Schedule" if label else "Sampler"
        not_carried.append(f"{kind} {unknown[:_MAX_VALUE]}: sdtui has none like it")
    return label


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _model(value: object) -> str | None:
    """The name of a model without the folders of the other machine."""
    text = _text(value)
    return None if text is None else PurePosixPath(text.replace("\\", "/")).name


def _integer(value: object) -> object:
    """An integer if the text is one; other values are left for validation to refuse."""
    if isinstance(value, str) and re.fullmatch(r"\s*-?\d{1,30}\s*", value):
        return int(value)
    return value


def _number(value: object) -> object:
    if isinstance(value, str) and re.fullmatch(r"\s*-?\d{1,30}(\.\d{1,30})?\s*", value):
        return float(value)
    return value


def _one_short_line(text: str) -> str:
    line = one_line(text[: 4 * _MAX_VALUE])
    return line if len(line) <= 2 * _MAX_VALUE else line[: 2 * _MAX_VALUE - 3] + "..."
