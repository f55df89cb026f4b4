"""Leave out the upscalers, ControlNets and IP-Adapters of a picture that aren't on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sdtui.core.errors import ModelError
from sdtui.core.picture_entries import ControlEntry, IPAdapterEntry
from sdtui.core.settings import Settings
from sdtui.core.upscaler_names import LANCZOS, built_in_name
from sdtui.models import CONTROLNETS, IP_ADAPTERS, find_upscaler_file
from sdtui.requests.sections.hires import LATENT_UPSCALERS

_ENTRIES = (("controls", ControlEntry, CONTROLNETS), ("ip_adapters", IPAdapterEntry, IP_ADAPTERS))
_UPSCALERS = ("upscaler", "second_upscaler", "hires_upscaler")


def with_local_files(
    values: Mapping[str, Any], settings: Settings
) -> tuple[dict[str, Any], list[str]]:
    """Return a picture's values with what can be used here, and what is missing: Lanczos takes the
    place of upscalers, and entries of ControlNets and IP-Adapters are left out."""
    changed = dict(values)
    missing = []
    for field, kind, files in _ENTRIES:
        kept = []
        for entry in values.get(field, ()):
            try:
                files.find(kind.parse(entry).name, settings)
                kept.append(entry)
            except ModelError as error:
                missing.append(error.what)
        if field in values:
            changed[field] = tuple(kept)
    for field in _UPSCALERS:
        name = values.get(field)
        if name is None or name in LATENT_UPSCALERS or built_in_name(name) is not None:
            continue
        try:
            find_upscaler_file(name, settings)
        except ModelError as error:
            changed[field] = LANCZOS
            missing.append(f"{error.what}: {LANCZOS} takes its place")
    return changed, missing
