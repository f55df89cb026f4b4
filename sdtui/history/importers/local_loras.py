"""Find the LoRAs of a picture on this machine, by their names and hashes."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import PureWindowsPath
from typing import Any

from sdtui.core.dynamic_prompts.parser import is_dynamic
from sdtui.core.enums import PromptSyntax
from sdtui.core.errors import ModelError
from sdtui.core.prompt_tags import parse_lora, rename_tags, take_tags
from sdtui.core.settings import Settings
from sdtui.core.text import shortened
from sdtui.models import Lora, find_lora, find_lora_by_name, has_hash, lora_of_hash
from sdtui.requests.request import GenerationRequest

_PROMPTS = ("prompt", "hires_prompt")
"""The fields whose tags name LoRAs."""
_PAIR = re.compile(r"\s*([^,:]+):\s*([0-9a-fA-F]{8,64})\s*(?:,|$)")
"""As A1111 writes them: `film: 0123456789ab, other: …`."""


def parse_hashes(text: str) -> dict[str, str]:
    """Return the hashes in an infotext's "Lora hashes", by the names in the prompt."""
    return {match[1].strip(): match[2].lower() for match in _PAIR.finditer(text)}


def with_local_loras(
    values: Mapping[str, Any],
    hashes: Mapping[str, str],
    settings: Settings,
    *,
    allow_files: bool = True,
) -> tuple[dict[str, Any], list[str]]:
    """Return a picture's values with the names that its LoRAs have here, and what is missing.

    A LoRA of the same hash is found under any name. One without a known hash is found by its name,
    or by its path if `allow_files`; one that isn't here is left out. Names that are chosen later
    stay.
    """
    find = find_lora if allow_files else find_lora_by_name
    fields = tuple(values.get("loras", ()))
    is_plain = values.get("prompt_syntax") == PromptSyntax.PLAIN
    tagged = {} if is_plain else {name: text for name in _PROMPTS if (text := values.get(name))}
    tags = [use for text in tagged.values() for use in take_tags(text).loras]
    found: dict[str, str | None] = {}
    missing = []
    for name in sorted({use.name for use in (*map(parse_lora, fields), *tags)}):
        digits = _hash_of(name, hashes)
        found[name] = name if is_dynamic(name) else _local_name(name, digits, settings, find)
        if found[name] is None:
            shown = f" ({digits})" if digits else ""
            missing.append(f"the LoRA {shortened(name)}{shown} is not here")
    changed = dict(values)
    changed |= {name: rename_tags(text, found) for name, text in tagged.items()}
    if fields:
        changed["loras"] = tuple(
            local + entry.strip().removeprefix(parse_lora(entry).name)
            for entry in fields
            if (local := found[parse_lora(entry).name]) is not None
        )
    return changed, missing


def _hash_of(name: str, hashes: Mapping[str, str]) -> str:
    """Return the hash of a LoRA, which infotext has by its name without folders, `:` and `,`; "" if
    it is unknown."""
    spellings = (name, PureWindowsPath(name).stem, re.sub("[:,]", "", name))
    return next((hashes[each] for each in spellings if each in hashes), "")


def request_with_local_loras(
    request: GenerationRequest,
    hashes: Mapping[str, str],
    settings: Settings,
    *,
    allow_files: bool = True,
) -> tuple[GenerationRequest, list[str]]:
    """Return a request with the names that its LoRAs have here, as `with_local_loras` does."""
    values = {
        "prompt": request.prompt,
        "loras": request.adapters.loras,
        "prompt_syntax": request.encoding.prompt_syntax,
        "hires_prompt": request.hires.prompt if request.hires else "",
    }
    changed, missing = with_local_loras(values, hashes, settings, allow_files=allow_files)
    adapters = replace(request.adapters, loras=changed["loras"])
    hires = request.hires and replace(request.hires, prompt=changed["hires_prompt"])
    return replace(request, prompt=changed["prompt"], adapters=adapters, hires=hires), missing


def _local_name(
    name: str, digits: str, settings: Settings, find: Callable[[str, Settings], Lora]
) -> str | None:
    """Return the name of a LoRA on this machine, None if it isn't here."""
    try:
        lora = find(name, settings)
        if not digits or has_hash(lora, digits):
            return name
    except (ModelError, OSError):
        pass
    other = lora_of_hash(digits, settings, name) if digits else None
    return None if other is None else other.name
