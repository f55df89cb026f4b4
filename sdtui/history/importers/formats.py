"""The formats in which tools write their settings.

sd-parsers reads most of them. A1111's infotext has a parser here, which supports quoted values and
"Negative prompt:" inside a prompt.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic_core import from_json
from sd_parsers.data import PromptInfo
from sd_parsers.exceptions import ParserError
from sd_parsers.parsers import FooocusParser, InvokeAIParser, NovelAIParser, Parser

from sdtui.core.errors import ImageError
from sdtui.history.importers.request_mapping import ToolSettings, values_by_alias
from sdtui.history.infotext import parse_infotext
from sdtui.requests.request import REQUEST_FIELDS

NATIVE = "sdtui"
INVOKEAI_KEYS = ("invokeai_metadata", "sd-metadata", "Dream")

_A1111_FIELDS = {
    field.spec.infotext: name for name, field in REQUEST_FIELDS.items() if field.spec.infotext
}
_A1111_MAPPED = {*_A1111_FIELDS, "Sampler", "Schedule type", "Size", "Model", "RNG"}
_A1111_IGNORED = {"Model hash", "Version", "App", "Backend", "Parser", "Pipeline", "Operations"}
_OTHER_NOISE = "RNG: sdtui draws noise differently, so the same seed gives another picture"
_MAX_VALUE = 100  # characters of a value in a message


def a1111(path: Path, text: str) -> ToolSettings:
    """A1111, Forge, SD.Next, and sdtui's JPEG and WebP."""
    found = parse_infotext(text)
    pairs = found.pairs
    if not pairs:
        raise damaged(path, "A1111's text")
    source = _a1111_source(pairs)
    size = re.fullmatch(r"(\d{1,9})x(\d{1,9})", pairs.get("Size", ""))
    unsupported = [
        f"{key} {value[:_MAX_VALUE]}: sdtui has no such setting"
        for key, value in pairs.items()
        if key not in _A1111_MAPPED | _A1111_IGNORED
    ]
    if pairs.get("RNG") != "CPU":
        unsupported.append(
            "RNG: sdtui draws noise on the CPU, so the same seed gives another picture"
        )
    values: dict[str, object] = {name: pairs.get(key) for key, name in _A1111_FIELDS.items()}
    values |= {"prompt": found.prompt, "negative_prompt": found.negative_prompt}
    values |= {"sampler": pairs.get("Sampler"), "model": pairs.get("Model")}
    if size is not None:
        values |= {"width": size[1], "height": size[2]}
    return ToolSettings(source, values, pairs.get("Schedule type"), tuple(unsupported))


def _a1111_source(pairs: Mapping[str, str]) -> str:
    version = pairs.get("Version", "")
    if version.startswith(f"{NATIVE} "):
        return NATIVE
    if version.startswith("Fooocus"):
        return "Fooocus"
    if pairs.get("App", "").startswith("SD.Next") or "SD.Next" in version:
        return "SD.Next"
    return "Forge" if re.match(r"f\d|neo|forge", version) else "A1111"


def from_json_text(path: Path, text: str) -> ToolSettings:
    """Tools that write JSON in place of A1111's infotext: Fooocus and SwarmUI."""
    fields = parse_json_object(path, text)
    swarm = fields.get("sui_image_params")
    if isinstance(swarm, dict):
        values = {name: swarm.get(name) for name in ("prompt", "model", "sampler")}
        values |= {"negative_prompt": swarm.get("negativeprompt"), **values_by_alias(swarm)}
        layer = swarm.get("clipstopatlayer")  # -1 = the last
        values["clip_skip"] = -layer if isinstance(layer, int) else None
        return ToolSettings("SwarmUI", values, swarm.get("scheduler"), (_OTHER_NOISE,))
    found = _from_info(
        "Fooocus",
        parse_with(FooocusParser(), path, {"parameters": text}),
        ignored={"version", "full_prompt", "full_negative_prompt", "metadata_scheme", "base_model"},
    )
    size = re.fullmatch(r"\((\d{1,9}), (\d{1,9})\)", str(fields.get("resolution", "")))
    return found if size is None else found.with_values(width=size[1], height=size[2])


def invokeai(path: Path, texts: Mapping[str, str]) -> ToolSettings:
    """InvokeAI, from its first metadata format to its newest."""
    model: object = None
    for key in ("invokeai_metadata", "sd-metadata"):
        if key in texts:
            entry = parse_json_object(path, texts[key]).get("model")
            model = entry.get("name") if isinstance(entry, dict) else model
    info = parse_with(InvokeAIParser(), path, dict(texts))
    ignored = {"app_version", "generation_mode", "rand_device", "model", "app_id", "postprocessing"}
    found = _from_info("InvokeAI", info, ignored=ignored)
    skipped = found.values.get("clip_skip")  # InvokeAI counts the layers that are left out
    if isinstance(skipped, int):
        found = found.with_values(clip_skip=skipped + 1 if skipped else None)
    return found if model is None else found.with_values(model=model)


def novelai(path: Path, texts: Mapping[str, str]) -> ToolSettings:
    """NovelAI, from the texts of its PNGs."""
    fields = parse_json_object(path, texts["Comment"])
    parameters = {"Description": str(fields.get("prompt", "")), **texts}
    info = parse_with(NovelAIParser(), path, parameters)
    found = _from_info(
        "NovelAI", info, ignored={"prompt", "signed_hash", "request_type", "version"}
    )
    return replace(found, schedule=fields.get("noise_schedule"))


def parse_with(parser: Parser, path: Path, parameters: dict[str, Any]) -> PromptInfo:
    """Parse the texts of a picture with sd-parsers. Raises ImageError."""
    try:
        info = parser.parse(parameters)
    except (
        ParserError,
        AttributeError,
        LookupError,
        TypeError,
        ValueError,
        RecursionError,
    ) as error:
        raise damaged(path, parser.generator.value) from error
    if not info.samplers:
        raise damaged(path, parser.generator.value)
    return info


def parse_json_object(path: Path, text: str) -> dict[str, Any]:
    """Parse a JSON object. Raises ImageError, also if it is nested too deeply."""
    try:
        fields = from_json(text)
    except ValueError as error:
        raise damaged(path, "JSON") from error
    if not isinstance(fields, dict):
        raise damaged(path, "JSON")
    return fields


def damaged(path: Path, what: str) -> ImageError:
    """The error for settings that can't be parsed."""
    return ImageError(
        f"{path}: its settings ({what}) are damaged or of an unknown form",
        "Choose another picture, or give the settings by hand",
    )


def _from_info(source: str, info: PromptInfo, ignored: set[str]) -> ToolSettings:
    """The result of sd-parsers as flat settings; keys in `ignored` are not reported."""
    sampler = info.samplers[0]
    flat: dict[str, Any] = {**info.metadata, **sampler.parameters}
    mapped = {"scheduler", "noise_schedule", "resolution"}
    mapped |= {alias for field in REQUEST_FIELDS.values() for alias in field.spec.aliases}
    unsupported = [
        f"{key} {str(value)[:_MAX_VALUE]}: sdtui has no such setting"
        for key, value in flat.items()
        if key not in mapped | ignored and value not in (None, "", 0, False, [], {}, "None")
    ]
    values = {
        "prompt": ", ".join(str(prompt.value) for prompt in sampler.prompts),
        "negative_prompt": ", ".join(str(prompt.value) for prompt in sampler.negative_prompts),
        "model": sampler.model.name if sampler.model else None,
        "sampler": sampler.name,
        **values_by_alias(flat),
    }
    return ToolSettings(source, values, flat.get("scheduler"), (*unsupported, _OTHER_NOISE))
