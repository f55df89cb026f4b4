"""Samplers under A1111's names."""

from __future__ import annotations

from sdtui.core.samplers import sampler_labels
from sdtui.core.text import nearest, shortened
from sdtui.history.importers import label_of_sampler, nearest_sampler
from sdtui.server.errors import ApiError


def find_sampler(name: str, scheduler: str) -> tuple[str | None, list[str]]:
    """Return the label of a sampler with its schedule, and what of the two isn't applied. Without a
    name the label is None; for a sampler that sdtui lacks it is that of the one most like it.

    Raises ApiError (400) for a name that nobody knows.
    """
    scheduler = scheduler or "Automatic"
    if name.lower() in ("", "default"):  # the latter is koboldcpp's name for no choice
        return None, [] if scheduler.lower() == "automatic" else ["scheduler"]
    label, unknown = label_of_sampler(name, scheduler)
    replaced = label is None
    if replaced:
        label, unknown = nearest_sampler(name, scheduler)
    if label is None:
        near = nearest(name, sampler_labels())
        hint = f'Did you mean "{near}"?' if near else "/sdapi/v1/samplers lists them."
        message = f'There is no sampler "{shortened(name)}" here. {hint}'
        raise ApiError(400, "Sampler not found", message)
    lost = [f"sampler_name: {name} ({label} instead)"] if replaced else []
    return label, [*lost, "scheduler"] if unknown else lost
