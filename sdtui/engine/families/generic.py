"""All other families: runs the pipeline's call as a whole, with the arguments that it accepts."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import diffusers
import torch
from diffusers import AutoPipelineForImage2Image
from PIL import Image

from sdtui.core.errors import UnsupportedModelError
from sdtui.engine.call_defaults import call_defaults, guidance_argument
from sdtui.engine.embeddings import Embeddings, Encoding
from sdtui.engine.families.family import OnStep, step_callback
from sdtui.engine.families.step_hook import steps_by_hook
from sdtui.engine.families.vae_input import call_until_decoding
from sdtui.engine.latents import run_decoder
from sdtui.engine.loaded import LoadedModel
from sdtui.engine.passes import Batch, Start, StartContext
from sdtui.engine.resolved_request import ResolvedRequest
from sdtui.models import ModelDescription

_PIXELS_IN_FLOAT32 = ("StableDiffusion3Pipeline", "FluxPipeline")
"""Pipelines whose pixels become float32 before they become 8-bit numbers. For the others that is
done in the VAE's precision, as in diffusers."""

_DIMENSIONS_OF_VIDEO = 5
"""VAEs for videos decode a picture to N x 3 x 1 x H x W."""

_TWO_BY_TWO = ("StableDiffusion3", "ZImage", "Lumina2", "QwenImage21", "HunyuanImage", "Krea2")
"""Beginnings of the names of pipelines whose patches are two latents wide, and that refuse or round
other sizes."""


class GenericFamily:
    """Runs any text-to-image pipeline of diffusers. Implements Family."""

    def components(self, names: list[str]) -> list[str]:
        """Return all components."""
        return names

    def size_multiple(self, model: LoadedModel) -> int:
        """Return the VAE's factor, twice that where the denoiser takes latents two by two."""
        is_doubled = hasattr(model.pipeline, "_pack_latents") or type(
            model.pipeline
        ).__name__.startswith(_TWO_BY_TWO)
        return model.vae_factor * (2 if is_doubled else 1)

    def can_inpaint(self, description: ModelDescription) -> bool:
        """Return whether diffusers has an inpainting pipeline for the same components."""
        return _inpainting_class(description.pipeline_class) is not None

    def encode(self, model: LoadedModel, encoding: Encoding) -> Embeddings:
        """Return no arguments: the pipeline's call encodes the prompts."""
        return Embeddings()

    def not_accepted(self, model: LoadedModel, batch: Batch) -> list[str]:
        defaults = call_defaults(_pipeline(model, batch))
        names = [name for name in _request_arguments(batch, defaults) if name not in defaults]
        # Flux ignores it as long as its second guidance is 1.
        is_ignored = defaults.get("true_cfg_scale") == 1 and "guidance_scale" in defaults
        if is_ignored and batch.pass_.request.negative_prompt:
            names.append("negative_prompt")
        if batch.pass_.noise_multiplier != 1:
            names.append("noise_multiplier")
        if batch.pass_.request.noise.is_resized:
            names.append("seed resize")
        return names

    def start_latents(self, context: StartContext, start: Start) -> None:
        """Return None: the pipeline's call encodes pictures."""

    def denoise(
        self,
        model: LoadedModel,
        batch: Batch,
        on_step: OnStep,
        *,
        watch: bool,
    ) -> torch.Tensor | list[Image.Image]:
        pipeline = _pipeline(model, batch)
        defaults = call_defaults(pipeline)
        noise = batch.noise()
        wanted = {
            **_request_arguments(batch, defaults),
            "generator": noise.generators,
            "output_type": "pil",
            "callback_on_step_end": step_callback(on_step),
        }
        arguments = {name: value for name, value in wanted.items() if name in defaults}
        try:
            with (
                noise.drawn_by_libraries(varied=True),
                _steps(pipeline, batch, on_step, defaults) as end_steps,
            ):
                result = _call(pipeline, arguments)
                end_steps()
        finally:
            model.pipeline.maybe_free_model_hooks()
        return result.cpu() if isinstance(result, torch.Tensor) else list(result.images)

    def decode(
        self, model: LoadedModel, vae: Any, latents: torch.Tensor, request: ResolvedRequest
    ) -> torch.Tensor:
        pixels = run_decoder(model, vae, latents)
        if pixels.ndim == _DIMENSIONS_OF_VIDEO:
            pixels = pixels[:, :, 0]
        # Sana, PixArt and others draw in the nearest of their own sizes.
        fitted = getattr(model.pipeline.image_processor, "resize_and_crop_tensor", None)
        if fitted and pixels.shape[2:] != (request.height, request.width):
            pixels = fitted(pixels, request.width, request.height)
        if model.description.pipeline_class in _PIXELS_IN_FLOAT32:
            pixels = pixels.float()
        return pixels.cpu()


def _call(pipeline: Any, arguments: dict[str, Any]) -> Any:
    """Return the latents for the pipeline's VAE, or the result of its call if sdtui can't decode in
    its place."""
    if getattr(pipeline, "vae", None) is None or not hasattr(pipeline, "image_processor"):
        return pipeline(**arguments)
    return call_until_decoding(pipeline, arguments)


def _steps(
    pipeline: Any, batch: Batch, on_step: OnStep, defaults: dict[str, Any]
) -> AbstractContextManager[Callable[[], None]]:
    if "callback_on_step_end" in defaults:
        return nullcontext(_nothing)
    return steps_by_hook(pipeline, batch.pass_, on_step)


def _nothing() -> None:
    """The pipeline's callback has reported the last step."""


def _request_arguments(batch: Batch, defaults: dict[str, Any]) -> dict[str, Any]:
    """Return the request's values as arguments, limited to those that the pipeline's call
    accepts."""
    request = batch.pass_.request
    arguments: dict[str, Any] = {
        "prompt": request.prompt,
        "num_images_per_prompt": len(batch.seeds),
        "width": request.width,
        "height": request.height,
        "num_inference_steps": request.num_inference_steps,
    }
    if request.negative_prompt:
        arguments["negative_prompt"] = request.negative_prompt
    if "num_images_per_prompt" not in defaults:
        count = arguments.pop("num_images_per_prompt")
        if count > 1:
            arguments["prompt"] = [request.prompt] * count
    guidance = guidance_argument(defaults)
    # A pipeline that has no number as its default chooses the guidance itself if it is left out.
    if request.guidance_scale or defaults.get(guidance, 0) is not None:
        arguments[guidance] = request.guidance_scale
    if guidance == "true_cfg_scale" and request.guidance_scale > 1:
        # Without a negative prompt the pipeline doesn't guide at all.
        arguments["negative_prompt"] = request.negative_prompt or " "
    if batch.pass_.start is not None:
        images: Any = [each.image for each in batch.starts]
        # From one image for all, only the first generator would be used to encode it. Where there
        # is no strength, several images would be several references.
        if "strength" not in defaults and images:
            images = images[0]
        arguments |= {"image": images, "strength": batch.pass_.strength}
    masked = batch.pass_.masked
    if masked is not None:
        arguments["mask_image"] = [masked.mask] * len(batch.seeds)
    return {**arguments, **batch.arguments}


def _inpainting_class(pipeline_class: str) -> Any:
    """Return diffusers' pipeline that inpaints with the components of another, or None."""
    name = f"{pipeline_class.removesuffix('Pipeline')}InpaintPipeline"
    return getattr(diffusers, name, None)


def _pipeline(model: LoadedModel, batch: Batch) -> Any:
    """Return the pipeline for a batch: the model's own, or one for image-to-image or inpainting
    made of its components.

    Raises UnsupportedModelError if the model doesn't support the pass's kind of start.
    """
    start = batch.pass_.start
    if start is None:
        return model.pipeline
    if not start.has_pictures:
        raise UnsupportedModelError(
            f"{model.source.name} ({model.description.pipeline_class}) can't go on from enlarged "
            "latents",
            "Choose an upscaler of pictures, such as Lanczos",
        )
    inpainting = _inpainting_class(model.description.pipeline_class)
    if batch.pass_.masked is not None and inpainting is not None:
        pipeline: Any = inpainting.from_pipe(model.pipeline)
        pipeline.set_progress_bar_config(disable=True)
        return pipeline
    try:
        pipeline = AutoPipelineForImage2Image.from_pipe(model.pipeline)
    except ValueError as error:
        raise UnsupportedModelError(
            f"{model.source.name} ({model.description.pipeline_class}) makes no pictures from an "
            "init image or a smaller picture",
            "Leave the init image or hires out, or use another model",
        ) from error
    pipeline.set_progress_bar_config(disable=True)
    return pipeline
