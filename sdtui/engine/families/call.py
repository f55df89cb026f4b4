"""The call of a pipeline: its class for what a pass starts from, and its arguments."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import diffusers
from PIL import Image

from sdtui.engine.call_defaults import guidance_argument
from sdtui.engine.families.blocks import blocks_pipeline
from sdtui.engine.families.seams import made_of_parts
from sdtui.engine.loaded import LoadedModel
from sdtui.engine.passes import Pass
from sdtui.engine.resolved_request import ResolvedRequest
from sdtui.models import ModelDescription
from sdtui.models.traits import Task, Traits

EXTRA: Mapping[str, Any] = {
    "use_resolution_binning": False,
    "clean_caption": False,
    "use_pe": False,
    "enable_prompt_rewrite": False,
    "guidance_schedule": None,
    "_auto_resize": False,
}
"""Arguments of calls that take them: size, prompts and guidance are those of the request, and not
replaced by others."""

_ABSENT_VALUES: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "ChromaInpaintPipeline": {"transformer": {"guidance_embeds": False}},
}
"""By pipeline and component, what a pipeline reads from a config that doesn't have it (diffusers
0.42)."""


def call_arguments(
    pass_: Pass,
    count: int,
    images: Sequence[Image.Image],
    defaults: Mapping[str, Any],
    traits: Traits,
) -> dict[str, Any]:
    """Return the arguments for `count` pictures of a pass that starts from `images`, one for each
    of them, one for all or none.

    `defaults` are those of the call. What it doesn't take is among the arguments, where leaving it
    out changes the picture.
    """
    request = pass_.request
    arguments: dict[str, Any] = {
        "prompt": request.prompt,
        "num_images_per_prompt": count,
        "width": request.width,
        "height": request.height,
        "num_inference_steps": request.num_inference_steps,
        **{name: value for name, value in EXTRA.items() if name in defaults},
    }
    if "num_images_per_prompt" not in defaults:
        del arguments["num_images_per_prompt"]
        if count > 1:
            arguments["prompt"] = [request.prompt] * count
    if traits.text_length and "max_sequence_length" in defaults:
        arguments["max_sequence_length"] = traits.text_length
    arguments |= _guidance_arguments(request, defaults, traits)
    arguments |= _picture_arguments(pass_, images, defaults, traits)
    if "max_area" in defaults:
        arguments["max_area"] = request.pixels
    if pass_.masked is not None:
        arguments["mask_image"] = [pass_.masked.mask] * count
    return arguments


def _picture_arguments(
    pass_: Pass, images: Sequence[Image.Image], defaults: Mapping[str, Any], traits: Traits
) -> dict[str, Any]:
    given: list[Image.Image] = list(pass_.references)
    if "_auto_resize" in defaults:  # FLUX.1 Kontext would take every reference as large as it is
        given = [_with_pixels(each, pass_.request.pixels) for each in given]
    references = given if len(given) > 1 else next(iter(given), None)
    if not images:
        return {} if references is None else {"image": references}
    # From one image for all, only the first generator would be used to encode it. Where there is no
    # strength, several images would be several references.
    has_strength = "strength" in defaults
    arguments: dict[str, Any] = {"image": list(images) if has_strength else images[0]}
    if has_strength or not traits.name:
        arguments["strength"] = pass_.strength
    if references is not None:
        arguments["image_reference"] = references
    return arguments


def _with_pixels(image: Image.Image, pixels: int) -> Image.Image:
    """Return a picture of the same shape with about this many pixels."""
    scale = math.sqrt(pixels / (image.width * image.height))
    width, height = (max(1, round(side * scale)) for side in image.size)
    return image.resize((width, height), Image.Resampling.LANCZOS)


def _guidance_arguments(
    request: ResolvedRequest, defaults: Mapping[str, Any], traits: Traits
) -> dict[str, Any]:
    scale, negative = request.guidance_scale, request.negative_prompt
    if not traits.name:
        arguments: dict[str, Any] = {"negative_prompt": negative} if negative else {}
        name = guidance_argument(dict(defaults))
        # A pipeline that has no number as its default chooses the guidance itself if it is left
        # out.
        if scale or defaults.get(name, 0) is not None:
            arguments[name] = scale
        return arguments
    arguments = {} if traits.guidance is None else {traits.guidance: scale}
    if not traits.negative or not traits.guides(scale, request.true_cfg_scale):
        return arguments
    if traits.true_guidance is not None:
        arguments[traits.true_guidance] = request.true_cfg_scale
        arguments["negative_prompt"] = negative  # an empty one is needed, too
    elif negative or traits.blank_negative:
        arguments["negative_prompt"] = negative or traits.blank_negative
    return arguments


def blank_images(pass_: Pass, count: int) -> list[Image.Image]:
    """Return blank images in place of those that a pass starts from, for a call that ends before
    they matter."""
    if pass_.start is None:
        return []
    return [Image.new("RGB", (pass_.request.width, pass_.request.height))] * count


def inpainting_class(description: ModelDescription) -> Any:
    """Return diffusers' pipeline that inpaints with the components of a model, or None."""
    return _class_for(description, Task.INPAINT, "Inpaint")


def starting_class(description: ModelDescription) -> Any:
    """Return diffusers' pipeline that starts from pictures with the components of a model, or
    None."""
    found = _class_for(description, Task.IMAGE, "Img2Img")
    return found or _class_for(description, Task.EDIT, "")


def pipeline_for(model: LoadedModel, pass_: Pass) -> Any:
    """Return the pipeline for a pass: the model's own, or one for image-to-image or inpainting made
    of its components."""
    own = model.pipeline
    if not pass_.has_pictures:
        return own
    found = inpainting_class(model.description) if pass_.masked is not None else None
    found = found or starting_class(model.description)
    if found.__name__ == type(own).__name__:
        return own
    made = made_of_parts(found, own, model.execution_device)
    for name, values in _ABSENT_VALUES.get(found.__name__, {}).items():
        part = getattr(made, name)
        part.register_to_config(**{**values, **part.config})
    return made


def _class_for(description: ModelDescription, task: Task, word: str) -> Any:
    """Return the pipeline for a task; of a pipeline that isn't known that with `word` in its name,
    if there is one."""
    name = description.traits.tasks.get(task)
    if not description.traits.name and word:
        name = f"{description.pipeline_class.removesuffix('Pipeline')}{word}Pipeline"
    if not name:
        return None
    return blocks_pipeline(name) or getattr(diffusers, name, None)
