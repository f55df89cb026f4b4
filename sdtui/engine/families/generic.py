"""All other families: runs the pipeline's call as a whole, with the arguments that it accepts."""

from __future__ import annotations

from typing import Any

import torch
from diffusers import AutoPipelineForImage2Image
from PIL import Image

from sdtui.core.errors import UnsupportedModelError
from sdtui.engine.call_defaults import call_defaults, guidance_argument
from sdtui.engine.embeddings import Embeddings
from sdtui.engine.families.family import OnStep, step_callback
from sdtui.engine.loaded import LoadedModel
from sdtui.engine.passes import Batch

_LATENT_PIPELINES = ("StableDiffusion3Pipeline", "FluxPipeline")
"""Pipelines whose latents the decode stage accepts."""


_TWO_BY_TWO = (*("StableDiffusion3", "ZImage", "Lumina2", "QwenImage21", "HunyuanImage", "Krea2"),)
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

    def encode(
        self,
        model: LoadedModel,
        prompt: str,
        negative_prompt: str,
        *,
        guidance: bool,
    ) -> Embeddings:
        """Return an empty dict: the pipeline's call encodes the prompts."""
        return {}

    def not_accepted(self, model: LoadedModel, batch: Batch) -> list[str]:
        defaults = call_defaults(_pipeline(model, batch))
        names = [name for name in _request_arguments(batch, defaults) if name not in defaults]
        # Flux ignores it as long as its second guidance is 1.
        is_ignored = defaults.get("true_cfg_scale") == 1 and "guidance_scale" in defaults
        if is_ignored and batch.pass_.request.negative_prompt:
            names.append("negative_prompt")
        return names

    def denoise(
        self,
        model: LoadedModel,
        batch: Batch,
        on_step: OnStep,
        *,
        watch: bool,
    ) -> torch.Tensor | list[Image.Image]:
        pipeline = _pipeline(model, batch)
        gives_latents = model.description.pipeline_class in _LATENT_PIPELINES
        defaults = call_defaults(pipeline)
        wanted = {
            **_request_arguments(batch, defaults),
            "generator": batch.generators(),
            "output_type": "latent" if gives_latents else "pil",
            "callback_on_step_end": step_callback(on_step),
        }
        try:
            result = pipeline(**{name: value for name, value in wanted.items() if name in defaults})
        finally:
            model.pipeline.maybe_free_model_hooks()
        if not gives_latents:
            return list(result.images)
        latents: torch.Tensor = result.images
        if hasattr(pipeline, "_unpack_latents") and latents.ndim == 3:
            request = batch.pass_.request
            latents = pipeline._unpack_latents(
                latents, request.height, request.width, pipeline.vae_scale_factor
            )
        return latents.cpu()


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
    guidance = guidance_argument(defaults)
    # A pipeline that has no number as its default chooses the guidance itself if it is left out.
    if request.guidance_scale or defaults.get(guidance, 0) is not None:
        arguments[guidance] = request.guidance_scale
    if guidance == "true_cfg_scale" and request.guidance_scale > 1:
        # Without a negative prompt the pipeline doesn't guide at all.
        arguments["negative_prompt"] = request.negative_prompt or " "
    if batch.pass_.start is not None:
        arguments |= {
            "image": batch.pass_.start.image(request),
            "strength": batch.pass_.strength,
        }
    return {**arguments, **batch.arguments}


def _pipeline(model: LoadedModel, batch: Batch) -> Any:
    """Return the pipeline for a batch: the model's own, or an image-to-image pipeline made of its
    components.

    Raises UnsupportedModelError if the model doesn't support the pass's kind of start.
    """
    start = batch.pass_.start
    if start is None:
        return model.pipeline
    cause = None
    if start.image(batch.pass_.request) is not None:
        try:
            pipeline: Any = AutoPipelineForImage2Image.from_pipe(model.pipeline)
        except ValueError as error:
            cause = error
        else:
            pipeline.set_progress_bar_config(disable=True)
            return pipeline
    raise UnsupportedModelError(
        f"{model.source.name} ({model.description.pipeline_class}) makes no pictures from an "
        "init image",
        "Leave the init image out, or use another model",
    ) from cause
