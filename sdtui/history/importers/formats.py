"""How each tool words its settings. sd-parsers does the reading where it can; A1111's text has a
parser of its own, which takes quoted values and "Negative prompt:" within a prompt."""

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
from sdtui.history.importers.request_mapping import Found
from sdtui.history.infotext import parse_parameters

NATIVE = "sdtui"
INVOKEAI_KEYS = ("invokeai_metadata", "sd-metadata", "Dream")

_A1111_TAKEN = {
    *("Steps", "Sampler", "Schedule type", "CFG scale", "Seed", "Size", "Model", "RNG"),
    *("Denoising strength",),
}
_A1111_SILENT = {"Model hash", "Version", "App", "Backend", "Parser", "Pipeline", "Operations"}
_SHOWN = 100


def a1111(path: Path, text: str) -> Found:
    """A1111, Forge, SD.Next and ourselves in JPEG and WebP."""
    found = parse_parameters(text)
    pairs = found.pairs
    if not pairs:
        raise damaged(path, "A1111's text")
    source = _a1111_source(pairs)
    size = re.fullmatch(r"(\d{1,9})x(\d{1,9})", pairs.get("Size", ""))
    lost = [
        f"{key} {value[:_SHOWN]}: nothing here stands for it"
        for key, value in pairs.items()
        if key not in _A1111_TAKEN | _A1111_SILENT
    ]
    if pairs.get("RNG") != "CPU":
        lost.append("RNG: noise is drawn on the CPU here, the same seed gives another picture")
    return Found(
        source,
        prompt=found.prompt,
        negative_prompt=found.negative_prompt,
        model=pairs.get("Model"),
        sampler=pairs.get("Sampler"),
        schedule=pairs.get("Schedule type"),
        steps=pairs.get("Steps"),
        guidance=pairs.get("CFG scale"),
        seed=pairs.get("Seed"),
        width=size and size[1],
        height=size and size[2],
        strength=pairs.get("Denoising strength"),
        lost=tuple(lost),
    )


def _a1111_source(pairs: Mapping[str, str]) -> str:
    version = pairs.get("Version", "")
    if version.startswith(f"{NATIVE} "):
        return NATIVE
    if version.startswith("Fooocus"):
        return "Fooocus"
    if pairs.get("App", "").startswith("SD.Next") or "SD.Next" in version:
        return "SD.Next"
    return "Forge" if re.match(r"f\d|neo|forge", version) else "A1111"


def from_json_text(path: Path, text: str) -> Found:
    """Tools that keep JSON where A1111 keeps its text: Fooocus and SwarmUI."""
    fields = read_json(path, text)
    swarm = fields.get("sui_image_params")
    if isinstance(swarm, dict):
        return Found(
            "SwarmUI",
            prompt=swarm.get("prompt"),
            negative_prompt=swarm.get("negativeprompt"),
            model=swarm.get("model"),
            sampler=swarm.get("sampler"),
            schedule=swarm.get("scheduler"),
            steps=swarm.get("steps"),
            guidance=swarm.get("cfgscale"),
            seed=swarm.get("seed"),
            width=swarm.get("width"),
            height=swarm.get("height"),
            lost=("RNG: noise is drawn otherwise, the same seed gives another picture",),
        )
    found = _from_info(
        "Fooocus",
        parse_with(FooocusParser(), path, {"parameters": text}),
        silent={"version", "full_prompt", "full_negative_prompt", "metadata_scheme", "base_model"},
    )
    size = re.fullmatch(r"\((\d{1,9}), (\d{1,9})\)", str(fields.get("resolution", "")))
    return found if size is None else replace(found, width=size[1], height=size[2])


def invokeai(path: Path, texts: Mapping[str, str]) -> Found:
    """InvokeAI, from its first metadata format to its newest."""
    model: object = None
    for key in ("invokeai_metadata", "sd-metadata"):
        if key in texts:
            named = read_json(path, texts[key]).get("model")
            model = named.get("name") if isinstance(named, dict) else model
    info = parse_with(InvokeAIParser(), path, dict(texts))
    silent = {"app_version", "generation_mode", "rand_device", "model", "app_id", "postprocessing"}
    found = _from_info("InvokeAI", info, silent=silent)
    return found if model is None else replace(found, model=model)


def novelai(path: Path, texts: Mapping[str, str]) -> Found:
    """NovelAI, from the texts of its PNGs."""
    fields = read_json(path, texts["Comment"])
    parameters = {"Description": str(fields.get("prompt", "")), **texts}
    info = parse_with(NovelAIParser(), path, parameters)
    found = _from_info("NovelAI", info, silent={"prompt", "signed_hash", "request_type", "version"})
    return replace(found, schedule=fields.get("noise_schedule"))


def parse_with(parser: Parser, path: Path, parameters: dict[str, Any]) -> PromptInfo:
    """What sd-parsers makes of a picture's texts, whatever shape those have.

    Raises ImageError where it can make nothing of them.
    """
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


def read_json(path: Path, text: str) -> dict[str, Any]:
    """A JSON object. Raises ImageError if it is none, damaged, or nested too deeply."""
    try:
        fields = from_json(text)
    except ValueError as error:
        raise damaged(path, "JSON") from error
    if not isinstance(fields, dict):
        raise damaged(path, "JSON")
    return fields


def damaged(path: Path, what: str) -> ImageError:
    """The error for settings that are there but make no sense."""
    return ImageError(
        f"{path}: its settings ({what}) are damaged or of an unknown form",
        "Name another picture, or give the settings by hand",
    )


def _from_info(source: str, info: PromptInfo, silent: set[str]) -> Found:
    """What sd-parsers found, in one flat form."""
    sampler = info.samplers[0]
    flat: dict[str, Any] = {**info.metadata, **sampler.parameters}
    taken = {"scheduler", "steps", "cfg_scale", "seed", "width", "height", "strength", "resolution"}
    taken |= {"noise_schedule"}
    lost = [
        f"{key} {str(value)[:_SHOWN]}: nothing here stands for it"
        for key, value in flat.items()
        if key not in taken | silent and value not in (None, "", 0, False, [], {}, "None")
    ]
    return Found(
        source,
        prompt=", ".join(str(prompt.value) for prompt in sampler.prompts),
        negative_prompt=", ".join(str(prompt.value) for prompt in sampler.negative_prompts),
        model=sampler.model.name if sampler.model else None,
        sampler=sampler.name,
        schedule=flat.get("scheduler"),
        steps=flat.get("steps"),
        guidance=flat.get("cfg_scale"),
        seed=flat.get("seed"),
        width=flat.get("width"),
        height=flat.get("height"),
        strength=flat.get("strength"),
        lost=(*lost, "RNG: noise is drawn otherwise, the same seed gives another picture"),
    )
