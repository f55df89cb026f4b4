"""Leave out the upscalers, ControlNets and IP-Adapters of a picture that the backend hasn't."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from sdtui.core.errors import ModelError
from sdtui.core.picture_entries import ControlEntry, IPAdapterEntry
from sdtui.core.upscaler_names import LANCZOS
from sdtui.requests.sections.hires import LATENT_UPSCALERS

_UPSCALERS = ("upscaler", "second_upscaler", "hires_upscaler")


class ModelFiles(Protocol):
    """The files of a backend's models, as `Models` documents it."""

    def find_controlnet(self, name: str, *, allow_files: bool = False) -> object: ...

    def find_ip_adapter(self, name: str, *, allow_files: bool = False) -> object: ...

    def check_upscaler(self, name: str, *, allow_files: bool = False) -> None: ...


def with_local_files(
    values: Mapping[str, Any], models: ModelFiles
) -> tuple[dict[str, Any], list[str]]:
    """Return a picture's values with what can be used, and what is missing: Lanczos takes the place
    of upscalers, and entries of ControlNets and IP-Adapters are left out."""
    changed = dict(values)
    missing = []
    entries: tuple[tuple[str, type[ControlEntry | IPAdapterEntry], Callable[..., object]], ...] = (
        ("controls", ControlEntry, models.find_controlnet),
        ("ip_adapters", IPAdapterEntry, models.find_ip_adapter),
    )
    for field, kind, find in entries:
        kept = []
        for entry in values.get(field, ()):
            try:
                find(kind.parse(entry).name, allow_files=True)
                kept.append(entry)
            except ModelError as error:
                missing.append(error.what)
        if field in values:
            changed[field] = tuple(kept)
    for field in _UPSCALERS:
        name = values.get(field)
        if name is None or name in LATENT_UPSCALERS:
            continue
        try:
            models.check_upscaler(name, allow_files=True)
        except ModelError as error:
            changed[field] = LANCZOS
            missing.append(f"{error.what}: {LANCZOS} takes its place")
    return changed, missing
