"""Write a LoRA as kohya's scripts do, which A1111, ComfyUI and diffusers read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save

from sdtui.core.files import write_atomic

_PREFIXES = {"unet": "lora_unet", "text_encoder": "lora_te"}
_PREFIXES_OF_SEVERAL = {**_PREFIXES, "text_encoder": "lora_te1", "text_encoder_2": "lora_te2"}
"""Of models that have several text encoders."""
_TEXT_MODEL = "text_model."
"""What the paths in a text encoder begin with, also where transformers has no such module."""
_LENGTH = 8
"""Bytes before the header of a .safetensors file, which hold its length."""
_LEGACY_START, _LEGACY_LENGTH = 0x100000, 0x10000
"""The part of a file that A1111's first hash was made of."""


def kohya_tensors(
    tensors: Mapping[str, torch.Tensor], alpha: float, dtype: torch.dtype, *, several_encoders: bool
) -> dict[str, torch.Tensor]:
    """Return tensors under the names of kohya's scripts, with each layer's alpha. `tensors` are
    those of `TrainedNetwork.tensors`."""
    prefixes = _PREFIXES_OF_SEVERAL if several_encoders else _PREFIXES
    named: dict[str, torch.Tensor] = {}
    for name, value in tensors.items():
        component, _, rest = name.partition(".")
        path, _, part = rest.rpartition(".")
        if component != "unet" and not path.startswith(_TEXT_MODEL):
            path = f"{_TEXT_MODEL}{path}"
        layer = f"{prefixes[component]}_{path.replace('.', '_')}"
        named[f"{layer}.lora_{part}.weight"] = value.to(dtype).contiguous()
        named[f"{layer}.alpha"] = torch.tensor(alpha, dtype=dtype)
    return named


def kohya_metadata(values: Mapping[str, Any]) -> dict[str, str]:
    """Return metadata as kohya's scripts write them: texts, with "None" for None and JSON for
    objects and lists."""
    return {
        key: json.dumps(value) if isinstance(value, dict | list) else str(value)
        for key, value in values.items()
    }


def write_lora(
    path: Path, tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str]
) -> None:
    """Write a LoRA's file with the hashes by which A1111 and others find it. Raises OSError.

    `sshs_model_hash` is the SHA-256 of the tensors' part, `sshs_legacy_hash` the first 8 digits
    of a part of the file; both are those of a file with the metadata `ss_…` only
    (`precalculate_safetensors_hashes` in kohya's library/train_util.py).
    """
    trained = {key: value for key, value in metadata.items() if key.startswith("ss_")}
    data = save(dict(tensors), trained)
    length = int.from_bytes(data[:_LENGTH], "little")
    digest = hashlib.sha256(memoryview(data)[_LENGTH + length :]).hexdigest()
    legacy = hashlib.sha256(data[_LEGACY_START : _LEGACY_START + _LEGACY_LENGTH]).hexdigest()
    hashes = {
        "sshs_model_hash": digest,
        "sshs_legacy_hash": legacy[:8],
        "modelspec.hash_sha256": f"0x{digest}",
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, save(dict(tensors), {**metadata, **hashes}))
