"""The LoRAs in the JSON settings of tools without a graph."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sdtui.core.prompt_tags import LoraUse, is_writable

_FILE = ".safetensors"
_NAMES = ("name", "model_name", "modelName", "model")
_WEIGHTED = re.compile(r"(?:True : )?(?P<name>.+) : (?P<weight>[-+.\d]+)")
"""Fooocus' texts in "lora_combined_1" or "LoRA 1"."""
_WEIGHT_FIRST = re.compile(r"(?P<weight>[-+.\d]+) - (?P<name>.+)")
"""RuinedFooocus' texts, behind a hash."""
_COMBINED = re.compile(r"lora(combined)?\d{1,3}")
_LISTS = ("loras", "loraweights", "loratencweights")


def is_lora_key(plain_name: str) -> bool:
    """True if a key, as letters and digits, is one of those that `loras_in` reads."""
    return plain_name in _LISTS or _COMBINED.fullmatch(plain_name) is not None


def loras_in(settings: Mapping[str, object]) -> tuple[str, ...]:
    """Return the LoRAs of settings by their keys as letters and digits, in the form of the field;
    none if one of them can't be read.

    InvokeAI has objects with "model", or "lora" before its version 4, and "weight"; Fooocus texts;
    RuinedFooocus lists or objects; SwarmUI lists of names and weights, or texts with commas.
    """
    try:
        found = [*_listed(settings), *_combined(settings)]
    except (TypeError, ValueError, IndexError):
        return ()
    return tuple(map(str, found)) if all(map(is_writable, found)) else ()


def _listed(settings: Mapping[str, object]) -> Iterator[LoraUse]:
    loras, weights, te_weights = (_list(settings.get(key)) for key in _LISTS)
    for number, lora in enumerate(loras):
        if isinstance(lora, str):
            unet = _weight(weights[number]) if weights else 1.0
            te = _weight(te_weights[number]) if te_weights else unet
            yield LoraUse(_name(lora), te, unet)
        elif isinstance(lora, Mapping):
            yield _of_object(lora)
        else:
            yield _of_list(lora)


def _combined(settings: Mapping[str, object]) -> Iterator[LoraUse]:
    for key, value in settings.items():
        if _COMBINED.fullmatch(key):
            match = _WEIGHTED.fullmatch(str(value))
            if match is None:
                raise ValueError(f"no LoRA: {value}")
            weight = _weight(match["weight"])
            yield LoraUse(_name(match["name"]), weight, weight)


def _of_object(lora: Mapping[str, Any]) -> LoraUse:
    model = lora.get("model", lora.get("lora", lora))
    name = model
    if isinstance(model, Mapping):
        name = next((model[key] for key in _NAMES if model.get(key)), None)
    weight = _weight(lora.get("weight"))
    return LoraUse(_name(name), weight, weight)


def _of_list(lora: Any) -> LoraUse:
    """Return the LoRA of `[name, weight]`, with or without a hash behind, or of `[hash, "weight -
    name"]`."""
    name, weight = lora[0], lora[1]
    match = _WEIGHT_FIRST.fullmatch(weight) if isinstance(weight, str) else None
    if match is not None:
        name, weight = match["name"], match["weight"]
    return LoraUse(_name(name), _weight(weight), _weight(weight))


def _list(value: object) -> Sequence[Any]:
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value if isinstance(value, list) else []


def _name(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"no name: {value}")
    return re.split(r"[/\\]", value)[-1].removesuffix(_FILE)


def _weight(value: Any) -> float:
    if isinstance(value, bool):
        raise TypeError("no weight")
    return float(value)
