"""Fields of A1111's bodies that have no effect here, and with which values they have none there.

Names and defaults: `modules/processing.py` and `modules/api/models.py` of A1111 1.10.
"""

from __future__ import annotations

from collections.abc import Mapping

from sdtui.core.samplers import sampler_and_schedule
from sdtui.server.ignored_fields import IgnoredFields

_IGNORED = IgnoredFields(
    harmless=frozenset(
        (
            *("do_not_save_samples", "do_not_save_grid", "save_images", "comments"),
            *("disable_extra_networks", "script_args"),
            *("mask_blur", "mask_blur_x", "mask_blur_y", "mask_round", "inpainting_fill"),
            *("inpaint_full_res", "inpaint_full_res_padding", "inpainting_mask_invert"),
            # SillyTavern's and AI-Render's own, of which other fields are made.
            *("url", "auth", "image_similarity"),
        )
    ),
    defaults={
        "clip_skip": (1, -1),
        "hr_scale": (1, 2),
        "hr_upscaler": ("Latent",),
        "hr_sampler_name": ("Use same sampler",),
        "hr_scheduler": ("Use same scheduler",),
        "hr_checkpoint_name": ("Use same checkpoint",),
        "hr_additional_modules": (["Use same choices"],),
        "refiner_switch_at": (1,),
        "s_noise": (1,),
        "image_cfg_scale": (1.5,),
        "distilled_cfg_scale": (3.5,),
    },
)

_ETA: Mapping[str, float] = {
    "DDIM": 0,
    **dict.fromkeys(
        (
            *("Euler a", "DPM2 a", "DPM++ 2S a", "DPM++ SDE", "DPM++ 2M SDE", "DPM++ 2M SDE Heun"),
            "DPM++ 3M SDE",
        ),
        1,
    ),
}
"""The noise factor of samplers that have one; 0 means the same."""


def without_effect(fields: Mapping[str, object], sampler: str | None) -> list[str]:
    """The names of those of these fields that would have changed the picture in A1111. `sampler` is
    the label of the request's."""
    usual = _ETA.get(sampler_and_schedule(sampler)[0]) if sampler else None
    eta_changes_it = usual is not None and fields.get("eta") not in (None, 0, usual)
    return _IGNORED.named(
        {name: value for name, value in fields.items() if name != "eta" or eta_changes_it}
    )


def is_switched_on(script: object) -> bool:
    """True if an always-on script has arguments, and none that switches it off: False as its first
    argument, or units that aren't enabled."""
    arguments = script.get("args") if isinstance(script, dict) else script
    if not isinstance(arguments, list):
        return bool(arguments)
    if not arguments or arguments[0] is False:
        return False
    return not all(isinstance(each, dict) and each.get("enabled") is False for each in arguments)
