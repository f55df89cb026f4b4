"""Resolving the values that a request leaves open."""

from __future__ import annotations

import math
from typing import Any

from sdtui.core.enums import PromptSyntax
from sdtui.core.errors import UnsupportedModelError
from sdtui.core.prompt_tags import take_tags
from sdtui.engine.call_defaults import call_defaults, guidance_argument
from sdtui.engine.features.active import ActiveFeatures
from sdtui.engine.loaded import LoadedModel
from sdtui.engine.resolved_request import ResolvedRequest
from sdtui.models import ModelDescription, check_sides
from sdtui.models.native import NativeValues
from sdtui.models.own_sizes import own_size
from sdtui.models.traits import TRUE_GUIDANCE_OFF
from sdtui.requests.request import GenerationRequest

_USUAL_STEPS = 25
"""For pipelines whose call doesn't take the steps: they choose them themselves."""

_NO_FEATURES = ActiveFeatures()


def resolve(
    request: GenerationRequest, model: LoadedModel, features: ActiveFeatures = _NO_FEATURES
) -> ResolvedRequest:
    """Return each value from the request, else from the model's folder or family, else the default
    of its pipeline's call. `features` may have another size for one that is left open.

    Raises InvalidRequestError if the size doesn't suit the model's VAE.
    """
    native = features.native_values(model.description)
    pipeline: Any = model.pipeline
    factor = model.vae_factor
    side = int(getattr(pipeline, "default_sample_size", 0) or 512 // factor) * factor
    defaults = call_defaults(pipeline)
    multiple = math.lcm(model.description.size_multiple, factor)
    width = native.width or defaults.get("width") or side
    height = native.height or defaults.get("height") or side
    if request.width is None and request.height is None:
        width, height = features.size((width, height), multiple)
    width, height = request.width or width, request.height or height
    check_sides({"width": width, "height": height}, multiple, model.source.name)
    width, height = own_size(model.description.pipeline_class, (width, height), side * side)
    steps = request.num_inference_steps or native.num_inference_steps
    guidance = (
        request.guidance_scale if request.guidance_scale is not None else native.guidance_scale
    )
    if guidance is None:
        guidance = float(defaults.get(guidance_argument(defaults)) or 0)
    return ResolvedRequest(
        prompt=without_tags(request.prompt, request),
        negative_prompt=without_tags(request.negative_prompt, request),
        sampler=request.sampler or native.sampler,
        num_inference_steps=steps or int(defaults.get("num_inference_steps") or _USUAL_STEPS),
        guidance_scale=guidance,
        true_cfg_scale=_true_cfg_scale(request, model.description, native),
        width=width,
        height=height,
        size_multiple=multiple,
        noise=request.noise,
        timestep_spacing=native.timestep_spacing,
    )


def _true_cfg_scale(
    request: GenerationRequest, description: ModelDescription, native: NativeValues
) -> float | None:
    """Return the scale of true guidance; None if the model has none."""
    if description.traits.true_guidance is None:
        return None
    scales = (request.true_cfg_scale, native.get("true_cfg_scale"))
    return next((scale for scale in scales if scale is not None), TRUE_GUIDANCE_OFF)


def without_tags(text: str, request: GenerationRequest) -> str:
    """Return one of a request's prompts without the tags of networks, if it has such."""
    is_plain = request.encoding.prompt_syntax is PromptSyntax.PLAIN
    return text if is_plain else take_tags(text).text


def check_begins(name: str, description: ModelDescription) -> None:
    """Raise UnsupportedModelError if a model, so described, can't begin pictures."""
    if description.is_refiner:
        raise UnsupportedModelError(
            f"{name} is a refiner: it takes the last steps of another model",
            "Take a model of SDXL, and this one as its refiner",
        )


def check_same_latents(model: LoadedModel, other: str, description: ModelDescription) -> None:
    """Raise UnsupportedModelError if `other`, a model so described, can't go on from the latents of
    `model`."""
    if description.family != model.description.family:
        raise UnsupportedModelError(
            f"{other} ({description.family_name}) can't go on from what {model.source.name} "
            f"({model.description.family_name}) has begun: their latents differ",
            "Take two models of the same family",
        )
