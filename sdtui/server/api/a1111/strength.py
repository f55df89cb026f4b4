"""How many steps A1111 runs from an init image."""

from __future__ import annotations

from sdtui.core.samplers import sampler_and_schedule
from sdtui.requests.record import GenerationRecord
from sdtui.requests.request import REQUEST_FIELDS

_BY_TIMESTEPS = ("DDIM", "PLMS", "UniPC")
"""Samplers of A1111 (modules/sd_samplers_timesteps.py) that run as many steps as those of
diffusers. All others (modules/sd_samplers_kdiffusion.py) run one more."""

_MOST = 0.999
"""A1111 takes higher strengths for this one."""


def strength_of_steps(strength: float, steps: int, sampler: str | None) -> float:
    """Return the strength with which sdtui runs as many of `steps` as A1111 does with `strength`,
    and so starts at the same noise level; both from 0 to 1.

    `sampler` is a label, None = the model's own. sdtui rounds steps · strength down. Strength 0
    keeps the picture as it is.
    """
    if strength == 0 or _is_by_timesteps(sampler):
        return strength
    wanted = min(int(min(strength, _MOST) * steps) + 1, steps)
    if int(steps * strength) == wanted:
        return strength
    return _share(wanted, steps)


def fixed_steps(strength: float, steps: int, sampler: str | None) -> tuple[int, float] | None:
    """Return the steps and the strength with which sdtui does what A1111 does with its option
    img2img_fix_steps: runs all of `steps`, as the last ones of more (modules/sd_samplers_common.py,
    setup_img2img_steps). None for strength 0, and for more steps than a request may have."""
    most = REQUEST_FIELDS["num_inference_steps"].spec.le
    assert most is not None
    total = int(steps / min(strength, _MOST)) if strength > 0 else 0
    if not 0 < total <= most:
        return None
    return total, _share(max(1, steps - 1) if _is_by_timesteps(sampler) else steps, total)


def _is_by_timesteps(sampler: str | None) -> bool:
    return sampler is not None and sampler_and_schedule(sampler)[0] in _BY_TIMESTEPS


def _share(wanted: int, steps: int) -> float:
    """Return a strength with which `wanted` of `steps` are run."""
    # Four digits, rounded up, so that the product isn't a little below the number.
    found = -(-wanted * 10_000 // steps) / 10_000
    return found if int(steps * found) == wanted else min(found + 0.0001, 1.0)


def with_strength(record: GenerationRecord, strength: float | None) -> GenerationRecord:
    """Return a record with the strength that the client gave; unchanged if that is None."""
    if strength is None or record.settings is None:
        return record
    settings = record.settings.model_copy(update={"strength": strength})
    return record.model_copy(update={"settings": settings})
