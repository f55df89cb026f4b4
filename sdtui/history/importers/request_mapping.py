"""Map the settings of another tool to request fields, with a reason for what can't be mapped."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import PureWindowsPath
from typing import Any

from sdtui.core.dynamic_prompts.parser import literal
from sdtui.core.enums import DynamicPrompts, PromptSyntax
from sdtui.core.errors import InvalidRequestError
from sdtui.core.fields import Field
from sdtui.core.sampler_names import label_of_sampler
from sdtui.core.text import one_line
from sdtui.history.portable import hub_id_in
from sdtui.requests.request import MAX_SEED, MODEL_FIELDS, REQUEST_FIELDS
from sdtui.requests.validation import validate_fields

MAX_NOT_CARRIED = 50
"""Most reasons in one list."""

MAX_STATED = 2**31 - 1
"""The largest number that is kept of a picture, seeds apart."""

_MAX_STATED_TEXT = 4_000  # characters of a name
_MAX_STATED_PROMPT = 100_000  # characters
_PROMPTS = ("prompt", "negative_prompt")
_STATED = {*_PROMPTS, "seed", "num_inference_steps", "guidance_scale", "sampler"}
"""The fields that are kept also beyond their limits."""

_MAX_VALUE = 80  # characters of a value in a reason
OWN = "sdtui"
"""The source of pictures that sdtui made."""

_IN_PROMPT = re.compile(r"<(hypernet):([^:<>]{1,100})[^<>]{0,100}>")
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
_HUB_FOLDER = "Diffusers/"  # where SD.Next keeps the models of the hub
CHECKPOINT_FILE = re.compile(r"\.(safetensors|ckpt|pth?|bin|gguf|sft)$", re.IGNORECASE)
"""The endings of files with weights."""


@dataclass(frozen=True)
class ImportedSettings:
    """The settings of a picture as request fields."""

    values: dict[str, Any]
    """Valid values for `GenerationRequest.parse`; no prompt if the picture has none."""
    source: str
    """The tool that made the picture, such as "ComfyUI"."""
    not_carried: tuple[str, ...] = ()
    """What could not be mapped, with the reason; each on one line, safe to display."""
    stated: dict[str, Any] = field(default_factory=dict)
    """What the picture says of its fields, also beyond the limits of a request: 200 steps, an
    unknown sampler, a strength without the init image."""
    templates: dict[str, Any] = field(default_factory=dict)
    """The prompts as they were written, and their styles, if others were made of them."""
    lora_hashes: Mapping[str, str] = field(default_factory=dict)
    """The beginnings of the hashes of the LoRAs, by their names in the values."""

    @property
    def exact_values(self) -> dict[str, Any]:
        """The values of a request for the same picture: nothing in its prompts is dynamic, except
        wildcards that were missing."""
        is_off = self.values.get("dynamic_prompts") == DynamicPrompts.OFF
        if is_off or self.values.get("prompt_syntax") == PromptSyntax.PLAIN:
            return self.values
        prompts = {name: self.values[name] for name in _PROMPTS if name in self.values}
        written = {**prompts, **self.templates}
        exact = {name: literal(text, written[name]) for name, text in prompts.items()}
        return {**self.values, **exact}


@dataclass(frozen=True)
class ToolSettings:
    """Settings as another tool wrote them."""

    source: str
    values: Mapping[str, object]
    """Texts or numbers by the names of fields; None if missing."""
    schedule: object = None
    """The noise schedule that goes with the sampler."""
    unsupported: tuple[str, ...] = ()
    """Other settings, which sdtui has no field for."""
    templates: Mapping[str, str] = field(default_factory=dict)
    """The prompts as they were written, with alternatives and wildcards, by the names of fields."""
    model_hashes: Mapping[str, str] = field(default_factory=dict)
    """The starts of the hashes of models' weights (hexadecimal), as sdtui calculates them, by the
    names of fields."""
    lora_hashes: Mapping[str, str] = field(default_factory=dict)
    """The beginnings of the hashes of the prompt's LoRAs, by their names there."""

    def with_values(self, **values: object) -> ToolSettings:
        """A copy with some values changed."""
        return replace(self, values={**self.values, **values})


def plain_name(key: str) -> str:
    """The letters and digits of a key: "CFG scale", "cfg_scale" and "cfgScale" are the same."""
    return re.sub(r"[^a-z0-9]+", "", key[:_MAX_VALUE].lower())


FIELDS_BY_ALIAS: Mapping[str, str] = {
    plain_name(alias): name
    for name, field in REQUEST_FIELDS.items()
    for alias in field.spec.aliases
}
"""The field of each alias, by the alias's plain name; a field's aliases are in order."""


def values_by_alias(settings: Mapping[str, object]) -> dict[str, object]:
    """The settings that have the name of a field in other tools (`FieldSpec.aliases`); of several
    with a value, the first alias counts."""
    plain = {plain_name(key): value for key, value in settings.items() if value not in (None, "")}
    values: dict[str, object] = {}
    for alias, name in FIELDS_BY_ALIAS.items():
        if alias in plain:
            values.setdefault(name, plain[alias])
    return values


def not_supported(key: str, value: object) -> str:
    """The message about a setting that sdtui has no field for."""
    return f"{key} {str(value)[:_MAX_VALUE]}: sdtui has no such setting"


def guidance_values(
    cfg: object, distilled: object, *, is_always_written: bool = False
) -> dict[str, object]:
    """The values of a CFG scale and of the guidance of a model that has it distilled into it, such
    as Flux, for which CFG is the true one.

    `is_always_written` = the tool writes a distilled guidance for other models too, which counts
    only where CFG is off.
    """
    is_off = cfg in (None, "") or _number(cfg) in (1, 1.0)
    if distilled in (None, "") or (is_always_written and not is_off):
        return {"guidance_scale": cfg}
    return {"guidance_scale": distilled, "true_cfg_scale": None if is_off else cfg}


def to_request_values(
    tool: ToolSettings, *, input_images: Collection[str] = ()
) -> ImportedSettings:
    """Map settings to request fields.

    A picture doesn't contain the pictures that it was made from: values that go with one are used
    only if its field is one of `input_images`.
    """
    values: dict[str, Any] = {}
    stated: dict[str, Any] = {}
    not_carried: list[str] = []
    missing = REQUEST_FIELDS.orphans({**tool.values, **dict.fromkeys(input_images, "")})
    for name, known in REQUEST_FIELDS.items():
        value = tool.values.get(name)
        if value is None:
            continue
        label = known.spec.label
        if name == "sampler":
            value = _sampler(tool, not_carried)
        elif name in MODEL_FIELDS:
            value = _model(tool, name)
        else:
            value = _converted(known, value)
        problem = None if value is None else validation_problem(name, value)
        if name in _STATED or problem is None:
            stated |= _stated(known, _text(tool.values[name]) if value is None else value)
        if known.spec.entries is not None and not input_images:
            entries = value if isinstance(value, tuple) else ()
            not_carried += [
                f"{label} {entry}: the control picture is not in the picture" for entry in entries
            ]
        elif name in missing:
            image = REQUEST_FIELDS[missing[name]].spec.label.lower()
            not_carried.append(f"{label} {value}: the {image} is not in the picture")
        elif problem is not None:
            not_carried.append(f"{label} {problem}")
            if name in _PROMPTS and isinstance(value, str) and len(value) > _MAX_STATED_PROMPT:
                not_carried.append(f"{label}: only {_MAX_STATED_PROMPT:,} characters are kept")
        elif value not in (None, ""):
            values[name] = value
    for name in REQUEST_FIELDS.orphans({**values, **dict.fromkeys(input_images, "")}):
        del values[name]  # its section has no valid key
    not_carried += [
        f"{kind} {name}: not applied"
        for kind, name in _IN_PROMPT.findall(_text(tool.values.get("prompt")) or "")
    ]
    not_carried += tool.unsupported
    return ImportedSettings(
        values,
        tool.source,
        tuple(_one_short_line(each) for each in not_carried[:MAX_NOT_CARRIED]),
        stated,
        dict(tool.templates),
        tool.lora_hashes,
    )


def _converted(known: Field, value: object) -> object:
    """A value in the type of its field, as far as it can be converted."""
    theirs = {name: choice for choice, name in known.spec.a1111_names.items()}
    if isinstance(value, str) and value in theirs:
        return theirs[value]
    if known.type is int:
        return _integer(value)
    if known.type is float:
        return _number(value)
    if known.type is bool:
        return {"true": True, "false": False}.get(str(value).lower(), value)
    if known.is_list:
        return value if isinstance(value, tuple) else None
    return _text(value)


def _stated(known: Field, value: object) -> dict[str, object]:
    """A value as a record can hold it; nothing for what is no such value, such as a seed of -1."""
    if known.type is int:
        largest = MAX_SEED if known.name == "seed" else MAX_STATED
        fits = type(value) is int and 0 <= value <= largest
    elif known.type is float:
        fits = (
            isinstance(value, int | float)
            and not isinstance(value, bool)
            and 0 <= value <= MAX_STATED
        )
    elif known.type is bool:
        fits = isinstance(value, bool)
    elif known.name in _PROMPTS:
        value = value[:_MAX_STATED_PROMPT] if isinstance(value, str) else ""
        fits = bool(value)
    else:
        fits = isinstance(value, str) and 0 < len(value) <= _MAX_STATED_TEXT
    return {known.name: value} if fits else {}


def validation_problem(name: str, value: object) -> str | None:
    """Why a request can't have a value; None if it can."""
    try:
        validate_fields(REQUEST_FIELDS, {name: value})
    except InvalidRequestError as error:
        return error.problems[0].message
    return None


def _sampler(tool: ToolSettings, not_carried: list[str]) -> str | None:
    name, schedule = _text(tool.values.get("sampler")), _text(tool.schedule)
    if not name:
        return None
    label, unknown = label_of_sampler(name, schedule)
    if unknown is not None:
        kind = "Schedule" if label else "Sampler"
        not_carried.append(f"{kind} {unknown[:_MAX_VALUE]}: sdtui has none like it")
    return label


def _text(value: object) -> str | None:
    """A text without halves of surrogate pairs, which JSON can have."""
    return value.encode(errors="replace").decode() if isinstance(value, str) else None


def _model(tool: ToolSettings, field: str) -> str | None:
    """A hub id, or the name of a model without the folders of the other machine."""
    text = _text(tool.values.get(field)) or ""
    if tool.source == OWN:
        return text or None
    text = re.sub(r"\s+\[[0-9a-f]{6,64}\]$", "", text)  # A1111's titles end with a hash
    hub_id = hub_id_in(text) or text.removeprefix(_HUB_FOLDER)
    if _HUB_ID.fullmatch(hub_id) and not CHECKPOINT_FILE.search(hub_id):
        return hub_id
    return PureWindowsPath(text).name or None


def _integer(value: object) -> object:
    """An integer if the value is one, also with zeros behind the point; other values are left for
    validation to refuse."""
    if isinstance(value, str) and re.fullmatch(r"\s*-?\d{1,30}(\.0{0,30})?\s*", value):
        return int(value.partition(".")[0])
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _number(value: object) -> object:
    if isinstance(value, str) and re.fullmatch(r"\s*-?\d{1,30}(\.\d{1,30})?\s*", value):
        return float(value)
    return value


def _one_short_line(text: str) -> str:
    line = one_line(text[: 4 * _MAX_VALUE])
    return line if len(line) <= 2 * _MAX_VALUE else line[: 2 * _MAX_VALUE - 3] + "..."
