"""The blocks of a UNet's layers, which block weights are for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from sdtui.engine.lora.other_names import sgm_blocks

_SGM = re.compile(r"(input|output|middle)_blocks?\.?(\d*)")
_SIDES = {"input": "IN", "output": "OUT"}


def blocks_of_unet(paths: Iterable[str]) -> Mapping[str, str]:
    """Return the block of each of a UNet's layers: IN04, MID, OUT11 …, without those outside."""
    return {path: _block(name) for path, name in sgm_blocks(paths).items()}


def _block(name: str) -> str:
    match = _SGM.fullmatch(name)
    assert match is not None
    return f"{_SIDES[match[1]]}{int(match[2]):02}" if match[1] in _SIDES else "MID"
