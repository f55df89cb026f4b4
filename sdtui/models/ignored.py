"""Fields of a request that a model leaves out, and why."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sdtui.models.description import ModelDescription
from sdtui.models.native import with_loras
from sdtui.models.traits import Task
from sdtui.requests.lora_uses import lora_uses
from sdtui.requests.request import REQUEST_FIELDS, GenerationRequest
from sdtui.requests.sections.vae import OWN_VAE


def _is_stable_diffusion(description: ModelDescription) -> bool:
    return description.is_stable_diffusion


def starts_from_pictures(description: ModelDescription) -> bool:
    """Return whether a model can go on from pictures, as in image-to-image and hires fix."""
    return _does_any_task(description) or bool(
        {Task.IMAGE, Task.EDIT} & description.traits.tasks.keys()
    )


def _inpaints(description: ModelDescription) -> bool:
    return _does_any_task(description) or Task.INPAINT in description.traits.tasks


def _does_any_task(description: ModelDescription) -> bool:
    """Return whether no task is known to be impossible: Stable Diffusion does all, and what a
    pipeline does that isn't known is looked up in diffusers."""
    return description.is_stable_diffusion or not description.traits.name


_TAKEN_BY: Mapping[str, Callable[[ModelDescription], bool]] = {
    **dict.fromkeys(("emphasis", "comma_backtrack", "tiling"), _is_stable_diffusion),
    **dict.fromkeys(("guidance_rescale", "guidance_start", "guidance_end"), _is_stable_diffusion),
    # SD 2.x was trained on the layer before the last, and its text encoder ends there, so A1111
    # ignores clip skip for it.
    "clip_skip": lambda description: description.family in ("sd1", "sdxl", "pocket"),
    "vae": lambda description: description.takes_vaes,
    "true_cfg_scale": lambda description: description.traits.true_guidance is not None,
    "refiner": lambda description: description.family == "sdxl",
}
"""Fields that not all models take, by unique name."""
_REFUSED_BY: Mapping[str, Callable[[ModelDescription], bool]] = {
    **dict.fromkeys(("controls", "ip_adapters"), _is_stable_diffusion),
    **dict.fromkeys(("init_image", "hires_scale", "redraw_strength"), starts_from_pictures),
    **dict.fromkeys(("mask_image", "outpaint"), _inpaints),
    "references": lambda description: description.traits.edits,
}
"""The same for fields with which a run ends with an error."""


def takes_field(description: ModelDescription, name: str) -> bool:
    """Return whether a model takes one of the fields that not all models take."""
    return _TAKEN_BY[name](description)


def unused_fields(
    description: ModelDescription,
    guidance_scale: float | None = None,
    true_cfg_scale: float | None = None,
    *,
    has_mask: bool = False,
) -> dict[str, str]:
    """Return the fields that have no effect with a model, and why: unique name → reason, or that
    can't be used with it. The scales are those of the request, None if they are open; `has_mask` is
    true if it repaints a part of its init image."""
    family = description.family_name
    taken = {**_TAKEN_BY, **_REFUSED_BY}
    unused = {
        name: f"{family} doesn't take it" for name, takes in taken.items() if not takes(description)
    }
    traits = description.traits
    if traits.guidance is None:
        unused["guidance_scale"] = f"{family} has no guidance here: it was distilled to do without"
    scale = description.native.guidance_scale if guidance_scale is None else guidance_scale
    if true_cfg_scale is None:
        true_cfg_scale = description.native.get("true_cfg_scale")
    if not traits.negative:
        unused["negative_prompt"] = f"{family} takes no negative prompt"
    elif traits.true_guidance is not None:
        if not traits.guides(0, true_cfg_scale):
            unused["negative_prompt"] = "only a true CFG above 1 makes use of it"
    elif scale is not None and not traits.guides(scale):
        off = f"only a guidance above {traits.guidance_off:g} makes use of it"
        unused["negative_prompt"] = off if traits.guidance else f"{family} has no guidance here"
    if traits.edits and not has_mask:
        names = ("strength", "init_image_fit", "noise_multiplier")
        unused |= dict.fromkeys(names, f"for {family} the picture is a reference")
    return unused


def left_out_text(model: str, name: str) -> str:
    """Return the notice about a field that a model leaves out."""
    return f"{model} doesn't take {name}: it was left out"


def ignored_fields(description: ModelDescription, request: GenerationRequest) -> dict[str, str]:
    """Return those fields of a request that were set although they have no effect, and why."""
    scale = request.guidance_scale
    if scale is None:
        names = [each.name for each in lora_uses(request) if each.unet > 0]
        scale = with_loras(description.native, description.family, names).guidance_scale
    has_mask = request.inpainting is not None or request.outpainting is not None
    unused = unused_fields(description, scale, request.true_cfg_scale, has_mask=has_mask)
    values = request.values()
    return {
        name: reason
        for name, reason in unused.items()
        if name not in _REFUSED_BY and _is_set(name, values[name])
    }


def _is_set(name: str, value: Any) -> bool:
    is_own_vae = name == "vae" and value == OWN_VAE
    return value not in (REQUEST_FIELDS[name].default, "") and not is_own_vae
