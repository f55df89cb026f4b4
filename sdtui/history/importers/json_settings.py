"""Settings that tools write as JSON or as one text each: InvokeAI, Fooocus and its forks, NovelAI,
SwarmUI, Draw Things, Easy Diffusion, Hugging Face spaces and others.

Keys are recognised by the fields' aliases, whichever tool it was. What is special about a tool is
put right before.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pydantic_core import from_json

from sdtui.history.importers.json_loras import is_lora_key, loras_in
from sdtui.history.importers.request_mapping import (
    FIELDS_BY_ALIAS,
    ToolSettings,
    guidance_values,
    not_supported,
    plain_name,
    values_by_alias,
)

INVOKEAI_KEYS = ("invokeai_metadata", "invokeai", "sd-metadata")
"""The keywords of InvokeAI's JSON, newest first."""

_MIN_FIELDS = 3  # fields of settings without a prompt or without a known tool
OTHER_NOISE = "RNG: sdtui draws noise differently, so the same seed gives another picture"
_SIZES = ("resolution", "size", "imagesize")
_SCHEDULES = ("scheduler", "noiseschedule", "scheduletype", "schedulertype")
_DISTILLED = ("fluxguidancescale", "distilledcfgscale")
_ALWAYS_DISTILLED = "guidance"
"""What some tools write whatever the model."""
_MODEL_NAMES = ("name", "modelname", "model")
_CLIP_SKIPS = {"True": 2, "False": None}  # Easy Diffusion's
_WITHOUT_SUFFIX = ("SwarmUI", "Easy Diffusion")
"""The tools in which "folder/name" is a file rather than a hub id."""

_IGNORED = {
    *("version", "software", "metadatascheme", "appversion"),
    *(
        "generationmode",
        "randdevice",
        "appid",
        "signedhash",
        "requesttype",
        "basemodelhash",
        "modelhash",
    ),
    *("swarmversion", "date", "generationtime", "v4prompt", "v4negativeprompt", "createdby"),
}
_DREAM = re.compile(r'\s*"((?:\\.|[^"\\])*)"(.*)', re.DOTALL)
_DREAM_OPTIONS = re.compile(r"\s(?=--?[A-Za-z])")
_DREAM_OPTION = re.compile(r"\s-(\w)(?:[ =]?([^\s-]\S*))?")
"""InvokeAI 1's command line: a prompt, in quotes or not, and options, with or without a space."""
_DREAM_KEYS = {"A": "sampler", "C": "cfg_scale", "H": "height", "W": "width", "s": "steps"}
_DREAM_KEYS |= {"S": "seed", "f": "strength"}


def json_object(text: str) -> dict[str, Any] | None:
    """The JSON object in a text, also behind a word and a colon ("Prompt: {…}"); None if there is
    none."""
    start = re.match(r"\s*(?:[\w -]{1,40}:\s*)?(?=\{)", text)
    try:
        found = from_json(text[start.end() :].strip("\0 \r\n\t")) if start else None
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def invokeai(texts: Mapping[str, str]) -> ToolSettings | None:
    """InvokeAI, from its first metadata format to its newest."""
    for keyword in INVOKEAI_KEYS:
        fields = json_object(texts.get(keyword, ""))
        if fields is not None:
            image = fields.pop("image", None)
            if isinstance(image, dict):  # version 2
                weights = fields.get("model_weights", fields.get("model"))
                fields = {**_brackets_split(image), "model": weights}
            return _invokeai(fields)
    return _invokeai(_dream(texts["Dream"])) if "Dream" in texts else None


def _dream(text: str) -> dict[str, Any]:
    """The settings in the command line of InvokeAI 1."""
    quoted = _DREAM.match(text)
    if quoted is not None:
        prompt, options = re.sub(r"\\(.)", r"\1", quoted[1]), quoted[2]
    else:
        at = _DREAM_OPTIONS.search(text)
        prompt, options = (text[: at.start()], text[at.start() :]) if at else ("", "")
    named = {_DREAM_KEYS.get(key, key): value for key, value in _DREAM_OPTION.findall(options)}
    return _brackets_split({"prompt": prompt, **named})


def _invokeai(fields: Mapping[str, Any]) -> ToolSettings | None:
    skipped = fields.get("clip_skip")  # the number of layers that are left out
    if isinstance(skipped, int):
        fields = {**fields, "clip_skip": skipped + 1 if skipped else None}
    return flat_settings("InvokeAI", fields)


def _brackets_split(fields: Mapping[Any, Any]) -> dict[str, Any]:
    """The settings of InvokeAI 1 and 2, whose negative prompt is in brackets in the prompt."""
    prompt: object = fields.get("prompt")
    if isinstance(prompt, list):
        parts = [each for each in prompt if isinstance(each, dict)]
        prompt = ", ".join(each["prompt"] for each in parts if isinstance(each.get("prompt"), str))
        if len(parts) > 1:
            fields = {**fields, "weights": [each.get("weight") for each in parts]}
    if not isinstance(prompt, str):
        return dict(fields)
    negative = [each.strip(" ,") for each in re.findall(r"\[([^\[\]]*)\]", prompt)]
    positive = re.sub(r"\s*\[[^\[\]]*\]", "", prompt).strip(" ,")
    return {"negative_prompt": ", ".join(negative), **fields, "prompt": positive}


def novelai(fields: Mapping[str, Any]) -> ToolSettings | None:
    """NovelAI: texts of which "Comment" holds the settings. In WebP and in the alpha channel they
    are one JSON object."""
    comment = fields.get("Comment")
    settings = json_object(comment) if isinstance(comment, str) else comment
    if not isinstance(settings, dict) or not {"uc", "v4_prompt"} & settings.keys():
        return None
    source = re.fullmatch(r"(.*?)(?: [0-9A-F]{8})?", str(fields.get("Source", "")))
    positive, negative = (
        _caption(settings.get(key)) for key in ("v4_prompt", "v4_negative_prompt")
    )
    prompt = settings.get("prompt") or fields.get("Description") or positive[0]
    known = {"negative_prompt": settings.get("uc") or negative[0], "prompt": prompt}
    model = source[1] if source else None
    found = flat_settings("NovelAI", {"model": model, **settings, **known})
    characters = [
        f"{label} of a character {text}: sdtui has one prompt for all"
        for label, texts in (("Prompt", positive[1]), ("Negative prompt", negative[1]))
        for text in texts
    ]
    return found and replace(found, unsupported=(*characters, *found.unsupported))


def _caption(prompt: object) -> tuple[str | None, list[str]]:
    """The base text and the texts of the characters in a prompt of NovelAI 4."""
    caption = prompt.get("caption") if isinstance(prompt, dict) else None
    if not isinstance(caption, dict):
        return None, []
    characters = caption.get("char_captions")
    texts = [
        each.get("char_caption")
        for each in (characters if isinstance(characters, list) else ())
        if isinstance(each, dict)
    ]
    base = caption.get("base_caption")
    return base if isinstance(base, str) else None, [
        text for text in texts if isinstance(text, str) and text
    ]


def swarmui(fields: Mapping[str, Any]) -> ToolSettings | None:
    """SwarmUI's `sui_image_params`."""
    swarm = fields.get("sui_image_params")
    if not isinstance(swarm, dict):
        return None
    layer = swarm.get("clipstopatlayer")  # -1 = the last
    others = {key: value for key, value in swarm.items() if key != "clipstopatlayer"}
    skip = -layer if isinstance(layer, int) else None
    return flat_settings("SwarmUI", {**others, "clip_skip": skip})


def other_json(fields: Mapping[str, Any]) -> ToolSettings | None:
    """Fooocus, its forks, and tools without a format of their own; None if fewer than three fields
    are known or none of them is the prompt or seed."""
    known = values_by_alias(fields).keys() | _size(fields).keys()
    is_settings = len(known) >= _MIN_FIELDS and known & {"prompt", "seed"}
    return flat_settings(_source(fields), fields) if is_settings else None


def _source(fields: Mapping[str, Any]) -> str:
    named = {plain_name(key): value for key, value in fields.items()}
    software = named.get("software")
    if isinstance(software, str) and software:
        return software[:40]
    if named.keys() & {"metadatascheme", "performance", "sharpness"} or str(
        named.get("version")
    ).startswith("Fooocus"):
        return "Fooocus"
    if named.keys() & {"usestablediffusionmodel", "stablediffusionmodel"}:
        return "Easy Diffusion"
    if "c" in named:
        return "Draw Things"
    return "InvokeAI" if "positive_prompt" in fields else "another tool"


def flat_settings(source: str, fields: Mapping[str, Any]) -> ToolSettings | None:
    """Settings by the fields' aliases, with all other keys as unsupported; None if there is
    no prompt and fewer than three fields are known."""
    values = {**_size(fields), **values_by_alias(fields)}
    if not isinstance(values.get("prompt"), str | list) and len(values) < _MIN_FIELDS:
        return None
    named = {plain_name(key): value for key, value in fields.items()}
    known = {*FIELDS_BY_ALIAS, *_SIZES, *_SCHEDULES, *_IGNORED}
    schedule = next((named[key] for key in _SCHEDULES if named.get(key)), None)
    if not named.keys() & {"sampler", "samplername"}:
        schedule = named.get("noiseschedule")  # "scheduler" is the sampler
    key = next((each for each in _DISTILLED if named.get(each)), _ALWAYS_DISTILLED)
    values |= guidance_values(
        values.get("guidance_scale"), named.get(key), is_always_written=key == _ALWAYS_DISTILLED
    )
    if values["guidance_scale"] is named.get(key):
        known |= {*_DISTILLED, _ALWAYS_DISTILLED}
    if values.get("strength") in (1, "1", "1.0"):  # nothing of an init image is left
        del values["strength"]
    if str(values.get("clip_skip")) in _CLIP_SKIPS:
        values["clip_skip"] = _CLIP_SKIPS[str(values["clip_skip"])]
    values["model"] = _model_name(source, values.get("model"))
    loras = loras_in(named)
    if loras:
        values["loras"] = loras
        known |= set(filter(is_lora_key, named))
    for name in ("prompt", "negative_prompt"):
        values[name] = _prompt(values.get(name))
    unsupported = [
        not_supported(key, value)
        for key, value in fields.items()
        if plain_name(key) not in known and value not in (None, "", 0, False, [], {}, "None")
    ]
    return ToolSettings(source, values, schedule, (*unsupported, OTHER_NOISE))


def _size(fields: Mapping[str, Any]) -> dict[str, str]:
    """Width and height where they are one text, such as "(1152, 896)" or "1024 x 1024"."""
    for key, value in fields.items():
        if plain_name(key) in _SIZES:
            size = re.match(r"\D{0,3}(\d{1,9})\D{1,5}(\d{1,9})", str(value)[:100])
            if size is not None:
                return {"width": size[1], "height": size[2]}
    return {}


def _model_name(source: str, model: object) -> object:
    """The name of a model, which may be in an object with its hash."""
    if isinstance(model, Mapping):
        named = {plain_name(str(key)): value for key, value in model.items()}
        model = next((named[key] for key in _MODEL_NAMES if named.get(key)), None)
    if isinstance(model, str) and source in _WITHOUT_SUFFIX:
        return model.rpartition("/")[2]
    return model


def _prompt(prompt: object) -> object:
    if isinstance(prompt, list):
        return ", ".join(each for each in prompt if isinstance(each, str) and each.strip())
    return prompt
