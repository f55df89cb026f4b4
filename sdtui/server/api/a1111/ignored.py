"""Fields of A1111's bodies that have no effect here, and with which values they have none there.

Names and defaults: `modules/processing.py` and `modules/api/models.py` of A1111 1.10.
"""

from __future__ import annotations

from collections.abc import Mapping

from sdtui.core.samplers import sampler_and_schedule
from sdtui.core.text import shortened

_MOST_NAMED = 50
"""Most names in an answer; a body may have 1,000 fields."""
_EMPTY: tuple[object, ...] = (None, False, 0, "", "None", [], {})

_HARMLESS = frozenset(
    (
        *("do_not_save_samples", "do_not_save_grid", "save_images", "comments", "force_task_id"),
        *("disable_extra_networks", "subseed", "script_args"),
        *("mask_blur", "mask_blur_x", "mask_blur_y", "mask_round", "inpainting_fill"),
        *("inpaint_full_res", "inpaint_full_res_padding", "inpainting_mask_invert"),
    )
)
"""Fields that change no pixel, or none without another one that is refused or named itself."""

_DEFAULTS: Mapping[str, tuple[object, ...]] = {
    "clip_skip": (1,),
    "hr_scale": (1, 2),
    "hr_upscaler": ("Latent",),
    "hr_sampler_name": ("Use same sampler",),
    "hr_scheduler": ("Use same scheduler",),
    "hr_checkpoint_name": ("Use same checkpoint",),
    "hr_additional_modules": (["Use same choices"],),
    "refiner_switch_at": (1,),
    "s_noise": (1,),
    "seed_resize_from_w": (-1,),
    "seed_resize_from_h": (-1,),
    "initial_noise_multiplier": (1,),
    "image_cfg_scale": (1.5,),
    "distilled_cfg_scale": (3.5,),
}
"""What A1111 takes, or its clients send, where nothing was chosen, beside the empty values."""

_ETA: Mapping[str, float] = {
    "DDIM": 0,
    **dict.fromkeys(
        ("Euler a", "DPM2 a", "DPM++ SDE", "DPM++ 2M SDE", "DPM++ 2M SDE Heun", "DPM++ 3M SDE"), 1
    ),
}
"""The noise factor of samplers that have one."""


def without_effect(fields: Mapping[str, object], sampler: str | None) -> list[str]:
    """The names of those of these fields that would have changed the picture in A1111. `sampler` is
    the label of the request's."""
    names = [name for name, value in fields.items() if _has_effect(name, value, sampler)]
    return [shortened(name) for name in names[:_MOST_NAMED]]


def _has_effect(name: str, value: object, sampler: str | None) -> bool:
    if name in _HARMLESS:
        return False
    if name == "eta":
        usual = _ETA.get(sampler_and_schedule(sampler)[0]) if sampler else None
        return usual is not None and value not in (None, usual)
    return value not in _EMPTY and value not in _DEFAULTS.get(name, ())
