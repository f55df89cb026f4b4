"""Filling in what a request leaves open with a loaded model's own values."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any

from sdtui.core.errors import InvalidRequestError, Problem
from sdtui.engine.loaded import LoadedModel
from sdtui.engine.samplers import label_of
from sdtui.requests.record import ImageSettings
from sdtui.requests.request import GenerationRequest
from sdtui.requests.sections.image_to_image import DEFAULT_STRENGTH


@dataclass(frozen=True)
class Resolved:
    """A request's open values, settled for one model."""

    settings: ImageSettings
    sampler: str | None
    """The label to make the scheduler from; None = the model's own scheduler."""
    size_multiple: int


def resolve(model: LoadedModel, request: GenerationRequest) -> Resolved:
    """Take what the request asks for, else what the model's folder or family says, else what its
    pipeline's call has as its default.

    Raises InvalidRequestError if the size doesn't suit the model's VAE.
    """
    native = model.description.native
    pipeline: Any = model.pipeline
    factor = int(getattr(pipeline, "vae_scale_factor", model.description.vae_factor))
    side = int(getattr(pipeline, "default_sample_size", 0) or 512 // factor) * factor
    width = request.width or native.width or side
    height = request.height or native.height or side
    # Flux packs latents two by two.
    multiple = factor * 2 if hasattr(pipeline, "_pack_latents") else factor
    _check_size({"width": width, "height": height}, multiple, model.source.name)
    defaults = inspect.signature(type(pipeline).__call__).parameters
    steps = request.num_inference_steps or native.num_inference_steps
    guidance = (
        request.guidance_scale if request.guidance_scale is not None else native.guidance_scale
    )
    if guidance is None and "guidance_scale" in defaults:
        guidance = float(defaults["guidance_scale"].default)
    sampler = request.sampler or native.sampler
    return Resolved(
        ImageSettings(
            sampler=sampler or label_of(model.own_scheduler),
            num_inference_steps=steps or int(defaults["num_inference_steps"].default),
            guidance_scale=guidance or 0.0,
            width=width,
            height=height,
            **_strength(request),
        ),
        sampler,
        multiple,
    )


def _strength(request: GenerationRequest) -> dict[str, float]:
    section = request.image_to_image
    if section is None:
        return {}
    return {"strength": DEFAULT_STRENGTH if section.strength is None else section.strength}


def _check_size(sides: dict[str, int], multiple: int, model: str) -> None:
    problems = [
        Problem(name, side, f"must be a multiple of {multiple} for {model}, not {side}")
        for name, side in sides.items()
        if side % multiple
    ]
    if problems:
        raise InvalidRequestError(problems)
