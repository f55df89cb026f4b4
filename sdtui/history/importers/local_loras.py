"""Find the LoRAs of a picture on this machine, by their names and hashes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from sdtui.core.errors import ModelError
from sdtui.core.prompt_tags import parse_lora, rename_tags, take_tags
from sdtui.core.settings import Settings
from sdtui.core.text import shortened
from sdtui.models import find_lora_by_name, has_hash, lora_of_hash

_PAIR = re.compile(r"\s*([^,:]+):\s*([0-9a-fA-F]{8,64})\s*(?:,|$)")
"""As A1111 writes them: `film: 0123456789ab, other: …`."""


def parse_hashes(text: str) -> dict[str, str]:
    """Return the hashes in an infotext's "Lora hashes", by the names in the prompt."""
    return {match[1].strip(): match[2].lower() for match in _PAIR.finditer(text)}


def with_local_loras(
    values: Mapping[str, Any], hashes: Mapping[str, str], settings: Settings
) -> tuple[dict[str, Any], list[str]]:
    """Return a picture's values with the names that its LoRAs have here, and what is missing.

    A LoRA of the same hash is found under any name. One without a known hash is found by its name;
    one that isn't here is left out.
    """
    prompt = values.get("prompt", "")
    fields = tuple(values.get("loras", ()))
    names = {use.name for use in (*map(parse_lora, fields), *take_tags(prompt).loras)}
    found = {name: _local_name(name, hashes.get(name, ""), settings) for name in names}
    missing = [
        f"the LoRA {shortened(name)}{f' ({hashes[name]})' if name in hashes else ''} is not here"
        for name in sorted(names)
        if found[name] is None
    ]
    changed = dict(values)
    if prompt:
        changed["prompt"] = rename_tags(prompt, found)
    if fields:
        changed["loras"] = tuple(
            local + entry.strip().removeprefix(parse_lora(entry).name)
            for entry in fields
            if (local := found[parse_lora(entry).name]) is not None
        )
    return changed, missing


def _local_name(name: str, hashed: str, settings: Settings) -> str | None:
    """Return the name of a LoRA on this machine, None if it isn't here."""
    try:
        lora = find_lora_by_name(name, settings)
        if not hashed or has_hash(lora, hashed):
            return name
    except (ModelError, OSError):
        pass
    other = lora_of_hash(hashed, settings, name) if hashed else None
    return None if other is None else other.name
