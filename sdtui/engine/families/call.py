"""The call of a pipeline: its class for what a pass starts from, and its arguments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import diffusers
from PIL import Image

from sdtui.core.errors import UnsupportedModelError
from sdtui.engine.call_defaults import guidance_argument
from sdtui.engine.families.seams import made_of_parts
from sdtui.engine.loaded import LoadedModel
from sdtui.engine.passes import Pass

_EXTRA: Mapping[str, Any] = {
    "use_resolution_binning": False,
    "clean_caption": False,
    "use_pe": False,
    "enable_prompt_rewrite": False,
    "_auto_resize": False,
}
"""Arguments of calls that take them: size and prompts are those of the request, and not replaced
by others."""


def call_arguments(
    pass_: Pass, count: int, images: Sequence[Image.Image], defaults: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the arguments for `count` pictures of a pass that starts from `images`, one for each
    of them or none.

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
        **{name: value for name, value in _EXTRA.items() if name in defaults},
    }
    if "num_images_per_prompt" not in defaults:
        del arguments["num_images_per_prompt"]
        if count > 1:
            arguments["prompt"] = [request.prompt] * count
    if request.negative_prompt:
        arguments["negative_prompt"] = request.negative_prompt
    guidance = guidance_argument(dict(defaults))
    # A pipeline that has no number as its default chooses the guidance itself if it is left out.
    if request.guidance_scale or defaults.get(guidance, 0) is not None:
        arguments[guidance] = request.guidance_scale
    if guidance == "true_cfg_scale" and request.guidance_scale > 1:
        # Without a negative prompt the pipeline doesn't guide at all.
        arguments["negative_prompt"] = request.negative_prompt or " "
    if images:
        # From one image for all, only the first generator would be used to encode it. Where there
        # is no strength, several images would be several references.
        has_strength = "strength" in defaults
        arguments["image"] = list(images) if has_strength else images[0]
        arguments["strength"] = pass_.strength
        if "max_area" in defaults:
            arguments["max_area"] = request.pixels
    if pass_.masked is not None:
        arguments["mask_image"] = [pass_.masked.mask] * count
    return arguments


def blank_images(pass_: Pass, count: int) -> list[Image.Image]:
    """Return blank images in place of those that a pass starts from, for a call that ends before
    they matter."""
    if pass_.start is None:
        return []
    return [Image.new("RGB", (pass_.request.width, pass_.request.height))] * count


def inpainting_class(pipeline_class: str) -> Any:
    """Return diffusers' pipeline that inpaints with the components of another, or None."""
    name = f"{pipeline_class.removesuffix('Pipeline')}InpaintPipeline"
    return getattr(diffusers, name, None)


def pipeline_for(model: LoadedModel, pass_: Pass) -> Any:
    """Return the pipeline for a pass: the model's own, or one for image-to-image or inpainting made
    of its components.

    Raises UnsupportedModelError if the model doesn't support the pass's kind of start.
    """
    own = model.pipeline
    if pass_.start is None:
        return own
    name = model.description.pipeline_class
    if not pass_.start.has_pictures:
        raise UnsupportedModelError(
            f"{model.source.name} ({name}) can't go on from enlarged latents",
            "Choose an upscaler of pictures, such as Lanczos",
        )
    found = inpainting_class(name) if pass_.masked is not None else None
    found = found or _image_to_image_class(name)
    if found is None:
        raise UnsupportedModelError(
            f"{model.source.name} ({name}) makes no pictures from an init image or a smaller "
            "picture",
            "Leave the init image or hires out, or use another model",
        )
    if found.__name__ == type(own).__name__:
        return own
    return made_of_parts(found, own, model.execution_device)


def _image_to_image_class(pipeline_class: str) -> Any:
    """Return diffusers' pipeline that starts from images with the components of another, the same
    where it takes them itself; None if there is none."""
    name = f"{pipeline_class.removesuffix('Pipeline')}Img2ImgPipeline"
    found = getattr(diffusers, name, None)
    if found is not None:
        return found
    try:
        return diffusers.pipelines.auto_pipeline._get_task_class(
            diffusers.pipelines.auto_pipeline.AUTO_IMAGE2IMAGE_PIPELINES_MAPPING, pipeline_class
        )
    except ValueError:
        return None
