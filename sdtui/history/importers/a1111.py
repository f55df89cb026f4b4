"""A1111's infotext, which many tools write: Forge, SD.Next, Fooocus, stable-diffusion.cpp,
Stability Matrix, Civitai, and sdtui in JPEG and WebP."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic_core import from_json

from sdtui.core.sampler_names import label_of_sampler
from sdtui.history.control_infotext import control_units, is_control_key
from sdtui.history.importers.local_loras import parse_hashes
from sdtui.history.importers.request_mapping import (
    OWN,
    ToolSettings,
    guidance_values,
    not_supported,
    plain_name,
)
from sdtui.history.infotext import (
    DISTILLED,
    HIRES_RESIZE,
    HIRES_STRENGTH,
    OTHER_MODELS,
    SEED_RESIZE,
    TEMPLATES,
    UPSCALE_TO,
    parse_infotext,
)
from sdtui.requests.request import REQUEST_FIELDS
from sdtui.requests.sections.hires import DEFAULT_HIRES_SCALE

_FIELDS = {
    field.spec.infotext: name for name, field in REQUEST_FIELDS.items() if field.spec.infotext
}
_MAPPED = {*_FIELDS, *TEMPLATES}
_MAPPED |= {"Sampler", "Schedule type", "Size", "Model", "RNG", "ENSD", SEED_RESIZE, UPSCALE_TO}
_FIRST_PASS = "First pass size"
"""A key of A1111 before version 1.0."""
_MAPPED |= {"Hires sampler", "Hires schedule type", HIRES_RESIZE, _FIRST_PASS}
_IGNORED = {"Model hash", "Version", "App", "Backend", "Parser", "Pipeline", "Operations"}
_LORA_HASHES = "Lora hashes"
_IGNORED |= {"Ultimate SD upscale upscaler", "Ultimate SD upscale tile_height"}
_IGNORED |= {"Postprocess crop to", "VAE hash", "Created Date", "TI hashes", _LORA_HASHES}
_TEMPLATES = dict(zip(TEMPLATES, ("prompt", "negative_prompt"), strict=True))
"""The keys of prompts as they were written, and the names of their fields."""
_SPELLINGS = {plain_name(key): key for key in (*_MAPPED, *_IGNORED)}
_SPELLINGS |= {"guidancescale": "CFG scale"}
_MARKS = {"Steps", "Sampler", "CFG scale", "Seed"}
_MIN_KNOWN = 2
"""Known keys of an infotext, of which one is a mark: photos have texts with pairs too."""
_TITLE = re.compile(r"(.*\S)\s+\[([0-9a-f]{6,64})\]", re.DOTALL)
"""A model's name and the start of its hash."""
_ALWAYS_DISTILLED = "Guidance"
"""The same of stable-diffusion.cpp, which writes it whatever the model."""
_DRAW_THINGS = "Seed Mode"
"""A key that only Draw Things writes."""
_RESOURCES = "Civitai resources"
_TILED_UPSCALER = "Ultimate SD upscale upscaler"
_TILED = {"Ultimate SD upscale tile_width", _TILED_UPSCALER}
"""Keys of the script that redraws in tiles, whose strength is the picture's."""


def a1111(text: str) -> ToolSettings | None:
    """The settings in an infotext; None if the text is none."""
    found = parse_infotext(text)
    pairs = {_SPELLINGS.get(plain_name(key), key): value for key, value in found.pairs.items()}
    if not pairs.keys() & _MARKS or len(pairs.keys() & set(_SPELLINGS.values())) < _MIN_KNOWN:
        return None
    size, resized_from = _size(pairs.get("Size", "")), _size(pairs.get(SEED_RESIZE, ""))
    distilled_key = DISTILLED if pairs.get(DISTILLED) else _ALWAYS_DISTILLED
    guidance = guidance_values(
        pairs.get("CFG scale"),
        pairs.get(distilled_key),
        is_always_written=distilled_key == _ALWAYS_DISTILLED,
    )
    known = _MAPPED | _IGNORED
    if guidance["guidance_scale"] == pairs.get(distilled_key):
        known |= {DISTILLED, _ALWAYS_DISTILLED}
    unsupported = [
        not_supported(key, value)
        for key, value in pairs.items()
        if key not in known and not is_control_key(key)
    ]
    unsupported += _civitai_networks(pairs.get(_RESOURCES, ""))
    source = _source(pairs)
    rng = _rng(pairs.get("RNG"), source)
    if rng is None:
        unsupported.append(
            "RNG: sdtui draws noise on the CPU, so the same seed gives another picture"
        )
    if pairs.get("ENSD", "0") not in ("", "0"):
        unsupported.append(
            f"ENSD {pairs['ENSD']}: sdtui has no such setting; samplers that add noise give "
            "another picture"
        )
    values: dict[str, Any] = {name: pairs.get(key) for key, name in _FIELDS.items()}
    prompt, negative_prompt = found.prompt, found.negative_prompt
    if _DRAW_THINGS in pairs and not negative_prompt:  # its line begins with a minus alone
        prompt, _, negative_prompt = f"\n{prompt}".partition("\n-")
    values |= {"prompt": prompt.strip(), "negative_prompt": negative_prompt}
    units = control_units(pairs)
    values |= {"controls": units.controls or None, "ip_adapters": units.ip_adapters or None}
    unsupported += units.problems
    values |= {"rng": rng if pairs.get("Seed", "").isdecimal() else None}
    values |= {"sampler": pairs.get("Sampler"), **guidance}
    if values["clip_skip"] in ("0", "-1"):  # the model's own
        values["clip_skip"] = None
    if values["hires_steps"] == "0":  # as many as in the first pass
        values["hires_steps"] = None
    values |= {"model": pairs.get("Model") or _civitai_model(pairs.get(_RESOURCES, ""))}
    if size is not None:
        values |= {"width": size[1], "height": size[2]}
    if resized_from is not None:
        values |= {"seed_resize_width": resized_from[1], "seed_resize_height": resized_from[2]}
    upscaled_to = _size(pairs.get(UPSCALE_TO, ""))
    if upscaled_to is not None:
        values |= {"upscale_width": upscaled_to[1], "upscale_height": upscaled_to[2]}
    values |= _hires(pairs)
    if _TILED & pairs.keys() and values.get("redraw_strength") is None:
        values["redraw_strength"] = pairs.get("Denoising strength")
        values.setdefault("upscaler", None)
        values["upscaler"] = values["upscaler"] or pairs.get(_TILED_UPSCALER)
    schedule = pairs.get("Schedule type")
    titles = {name: _TITLE.fullmatch(values.get(name) or "") for name in OTHER_MODELS}
    values |= {name: title[1] for name, title in titles.items() if title}
    hashes = {name: title[2] for name, title in titles.items() if title}
    hashes |= {"model": pairs.get("Model hash", "")}
    templates = {name: pairs[key] for key, name in _TEMPLATES.items() if key in pairs}
    lora_hashes = parse_hashes(pairs.get(_LORA_HASHES, ""))
    return ToolSettings(
        source, values, schedule, tuple(unsupported), templates, hashes, lora_hashes
    )


def _hires(pairs: Mapping[str, str]) -> dict[str, object]:
    """The values of hires fix. A1111 has one key for its strength and that of image-to-image."""
    first, resize = _size(pairs.get(_FIRST_PASS, "")), pairs.get(HIRES_RESIZE, "")
    sides = _size(resize)
    values: dict[str, object] = {}
    if first is not None and (finished := _size(pairs.get("Size", ""))):
        # Of old versions: the size is that of the second pass. 0x0 stands for one of its choice.
        values |= {"hires_width": finished[1], "hires_height": finished[2]}
        if first[1] != "0" and first[2] != "0":
            values |= {"width": first[1], "height": first[2]}
    elif sides is not None:
        values |= {"hires_width": sides[1], "hires_height": sides[2]}
    values = {name: value for name, value in values.items() if value != "0"}
    if values:
        values["hires_scale"] = f"{DEFAULT_HIRES_SCALE:g}"
    if (values or "Hires upscale" in pairs) and HIRES_STRENGTH not in pairs:
        values |= {"hires_strength": pairs.get("Denoising strength"), "strength": None}
    if sampler := pairs.get("Hires sampler") or _own_schedule(pairs):
        schedule = pairs.get("Hires schedule type") or pairs.get("Schedule type")
        values["hires_sampler"] = label_of_sampler(sampler, schedule)[0]
    return values


def _own_schedule(pairs: Mapping[str, str]) -> str | None:
    """The sampler, if the second pass has only another schedule."""
    return pairs.get("Sampler") if pairs.get("Hires schedule type") else None


def _size(text: str) -> re.Match[str] | None:
    """Match a size such as 512x768."""
    return re.fullmatch(r"\s*(\d{1,9})\s*[x×]\s*(\d{1,9})\s*", text, re.IGNORECASE)


def _rng(name: str | None, source: str) -> str | None:
    """The source of the noise; None if sdtui has none like it. A1111 and its forks name it unless
    it is the GPU."""
    if name is None and source in ("A1111", "Forge"):
        return "nv"
    return {"cpu": "cpu", "nv": "nv", "gpu": "nv", "cuda": "nv"}.get((name or "").lower())


def _source(pairs: Mapping[str, str]) -> str:
    version = pairs.get("Version", "")
    if version.startswith(f"{OWN} "):
        return OWN
    for tool in ("Fooocus", "stable-diffusion.cpp", "ComfyUI"):
        if version.startswith(tool):
            return tool
    if pairs.get("App", "").startswith("SD.Next") or "SD.Next" in version:
        return "SD.Next"
    if _DRAW_THINGS in pairs:
        return "Draw Things"
    if _RESOURCES in pairs:
        return "Civitai"
    return "Forge" if re.match(r"f\d|neo|forge", version) else "A1111"


def _civitai_model(resources: str) -> str | None:
    """The name of the checkpoint in Civitai's list of resources."""
    return next((name for kind, name in _civitai(resources) if kind == "checkpoint"), None)


def _civitai_networks(resources: str) -> list[str]:
    """The LoRAs and embeddings in Civitai's list of resources, for the user."""
    others = (each for each in _civitai(resources) if each[0] != "checkpoint")
    return [f"{kind} {name}: not applied" for kind, name in others]


def _civitai(resources: str) -> Iterator[tuple[str, str]]:
    """Kind and name of each of Civitai's resources."""
    try:
        entries: Any = from_json(resources)
    except ValueError:
        return
    for entry in entries if isinstance(entries, list) else ():
        if isinstance(entry, dict) and isinstance(entry.get("modelName"), str):
            yield str(entry.get("type")), entry["modelName"]
