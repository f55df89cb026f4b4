"""How many steps A1111 runs from an init image."""

from __future__ import annotations

from sdtui.core.samplers import sampler_and_schedule
from sdtui.requests.record import GenerationRecord

_BY_TIMESTEPS = ("DDIM", "PLMS", "UniPC")
"""Samplers of A1111 (modules/sd_samplers_timesteps.py) that run as many steps as those of
diffusers. All others (modules/sd_samplers_kdiffusion.py) run one more."""


def strength_of_steps(strength: float, steps: int, sampler: str | None) -> float:
    """Return the strength with which sdtui runs as many of `steps` as A1111 does with `strength`,
    and so starts at the same noise level; both from 0 to 1.

    `sampler` is a label, None = the model's own. sdtui rounds steps · strength down. Strength 0
    keeps the picture as it is.
    """
    is_by_timesteps = sampler and sampler_and_schedule(sampler)[0] in _BY_TIMESTEPS
    if strength == 0 or is_by_timesteps:
        return strength
    wanted = min(int(min(strength, 0.999) * steps) + 1, steps)
    if int(steps * strength) == wanted:
        return strength
    # Four digits, rounded up, so that the product isn't a little below the number.
    found = -(-wanted * 10_000 // steps) / 10_000
    return found if int(steps * found) == wanted else min(found + 0.0001, 1.0)


def with_strength(record: GenerationRecord, strength: float | None) -> GenerationRecord:
    """Return a record with the strength that the client gave; unchanged if that is None."""
    if strength is None or record.settings is None:
        return record
    settings = record.settings.model_copy(update={"strength": strength})
    return record.model_copy(update={"settings": settings})
