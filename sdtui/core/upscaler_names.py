"""The names of the upscalers that need no model."""

from __future__ import annotations

import re

LANCZOS = "Lanczos"
BUILT_IN_UPSCALERS = ("None", LANCZOS, "Nearest")
"""A1111's names. Its "None" resizes with Lanczos as well."""


def plain_upscaler_name(name: str) -> str:
    """Return the letters and digits of an upscaler's name, without its suffix."""
    return re.sub(r"[^a-z0-9+]+", "", name.casefold().removesuffix(".safetensors"))


def built_in_name(name: str) -> str | None:
    """Return the name of the upscaler without a model that any spelling stands for; None for other
    upscalers."""
    names = {plain_upscaler_name(each): each for each in BUILT_IN_UPSCALERS}
    return names.get(plain_upscaler_name(name))


def known_spelling(name: str) -> str | None:
    """Return a name with the usual spelling of upscalers without a model; None for a blank one."""
    return built_in_name(name) or name.strip() or None
