"""A1111's always-on script "Soft Inpainting" (extensions-builtin/soft-inpainting), which is
differential diffusion here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sdtui.server.errors import ApiError

SCRIPT = "soft inpainting"
"""The name of the script, in lower case."""
_SETTINGS: Mapping[str, float] = {
    "schedule bias": 1,
    "preservation strength": 0.5,
    "transition contrast boost": 4,
    "mask influence": 0,
    "difference threshold": 0.5,
    "difference contrast": 2,
}
"""What follows the switch, with the defaults."""


@dataclass(frozen=True)
class SoftInpainting:
    """What is asked of the script."""

    is_on: bool = False
    not_applied: tuple[str, ...] = ()
    """Settings without effect."""


def parse_soft_inpainting(script: Any) -> SoftInpainting:
    """Read the script's part of `alwayson_scripts`. Raises ApiError."""
    arguments = script.get("args", []) if isinstance(script, Mapping) else script
    if not isinstance(arguments, list):
        message = "Soft Inpainting: args must be a list: true or false, then its settings."
        raise ApiError(422, "InvalidRequestError", message)
    if not arguments or not arguments[0]:
        return SoftInpainting()
    given = zip(_SETTINGS.items(), arguments[1:], strict=False)
    changed = (name for (name, usual), value in given if value is not None and value != usual)
    return SoftInpainting(True, tuple(f"Soft Inpainting: {name}" for name in changed))
