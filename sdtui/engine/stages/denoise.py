"""The denoise stage: from noise (or an init image) and embeddings to latents.

Noise is drawn on the CPU in fp32 from each picture's own seed, so that the same seed begins the
same picture on every machine, alone or in a batch.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import (
    AutoPipelineForImage2Image,
    StableDiffusionImg2ImgPipeline,
    StableDiffusionXLImg2ImgPipeline,
)
from PIL import Image

from sdtui.core.errors import UnsupportedModelError
from sdtui.engine.latents import draw_noise, encode_image
from sdtui.engine.loaded import LoadedModel
from sdtui.engine.preview import X0Watcher
from sdtui.engine.samplers import make_scheduler
from sdtui.engine.stages.encode import Embeddings

OnStep = Callable[[int, int, torch.Tensor | None], None]
"""Called after every step: its number (from 1), how many there are, and x0 of the first picture
(C x H x W) if it is watched. May raise to stop the run."""


@dataclass(frozen=True)
class Batch:
    """Pictures that are made at once."""

    seeds: tuple[int, ...]
    width: int
    height: int
    num_inference_steps: int
    guidance_scale: float | None
    sampler: str | None
    prompt: str
    negative_prompt: str
    embeddings: Embeddings | None
    """None for families whose pipeline encodes the prompt itself."""
    init_image: Image.Image | None = None
    """Of width x height pixels."""
    strength: float = 1.0


def denoise(
    model: LoadedModel, batch: Batch, on_step: OnStep, *, watch: bool
) -> torch.Tensor | list[Image.Image]:
    """Make latents (N x C x H x W, on the CPU) for a batch. Pipelines of other families that
    give no latents that we can decode return finished pictures.

    `watch` = whether x0 is worked out for previews.
    """
    reuse = model.speedups.reuse
    if reuse is None:
        return _denoise(model, batch, on_step, watch=watch)
    reuse.restart()
    try:
        return _denoise(model, batch, on_step, watch=watch)
    finally:
        reuse.restart()


def _denoise(
    model: LoadedModel, batch: Batch, on_step: OnStep, *, watch: bool
) -> torch.Tensor | list[Image.Image]:
    model.pipeline.scheduler = make_scheduler(model.own_scheduler, batch.sampler)
    generators = [torch.Generator("cpu").manual_seed(seed) for seed in batch.seeds]
    if not model.description.is_stable_diffusion:
        return _run_other(model, batch, generators, on_step)
    if batch.init_image is None:
        pipeline: Any = model.pipeline
        arguments = {
            "width": batch.width,
            "height": batch.height,
            "latents": _noise(model, batch, generators),
        }
    else:
        init_latents = encode_image(model, batch.init_image, generators)
        noise = draw_noise(init_latents.shape[1:], generators)
        if int(batch.num_inference_steps * batch.strength) < 1:
            return init_latents.cpu()
        pipeline = _image_to_image(model, init_latents, noise.to(init_latents))
        arguments = {"image": batch.init_image, "strength": batch.strength}
    arguments |= _embeddings(model, batch)
    return _call(model, pipeline, batch, generators, arguments, on_step, watch=watch)


def _call(
    model: LoadedModel,
    pipeline: Any,
    batch: Batch,
    generators: list[torch.Generator],
    arguments: dict[str, Any],
    on_step: OnStep,
    *,
    watch: bool,
) -> torch.Tensor:
    scheduler = pipeline.scheduler
    watcher = (
        X0Watcher(scheduler.config, scheduler.alphas_cumprod)
        if watch and model.to_rgb and hasattr(scheduler, "alphas_cumprod")
        else None
    )
    guidance = batch.guidance_scale or 0.0
    guided = guidance if model.uses_cfg(guidance) else 1.0
    handle = watcher.watch(model.denoiser, guided) if watcher else None
    try:
        latents = pipeline(
            num_inference_steps=batch.num_inference_steps,
            guidance_scale=batch.guidance_scale,
            num_images_per_prompt=len(batch.seeds),
            generator=generators,
            output_type="latent",
            callback_on_step_end=_callback(on_step, watcher),
            **arguments,
        ).images
    finally:
        if handle:
            handle.remove()
        # An error or a cancel skips this last line of the pipeline's own call.
        model.pipeline.maybe_free_model_hooks()
    assert isinstance(latents, torch.Tensor)
    return latents.cpu()


def _callback(
    on_step: OnStep, watcher: X0Watcher | None
) -> Callable[[Any, int, Any, dict[str, Any]], dict[str, Any]]:
    def after_step(pipeline: Any, index: int, _: Any, __: dict[str, Any]) -> dict[str, Any]:
        on_step(index + 1, pipeline.num_timesteps, watcher.x0 if watcher else None)
        return {}

    return after_step


def _embeddings(model: LoadedModel, batch: Batch) -> dict[str, Any]:
    assert batch.embeddings is not None
    device = model.execution_device
    return {name: tensor.to(device) for name, tensor in batch.embeddings.items()}


def _noise(model: LoadedModel, batch: Batch, generators: list[torch.Generator]) -> torch.Tensor:
    factor = model.description.vae_factor
    shape = (model.denoiser.config.in_channels, batch.height // factor, batch.width // factor)
    return draw_noise(shape, generators).to(model.execution_device, model.denoiser.dtype)


class _FromInitLatents:
    """For diffusers' image-to-image pipelines: begin from latents and noise that were prepared
    outside, where the encoding can be done again alone and the noise is drawn in fp32."""

    scheduler: Any
    init_latents: torch.Tensor
    noise: torch.Tensor

    def prepare_latents(
        self,
        image: object,
        timestep: torch.Tensor,
        *_: object,
        **__: object,
    ) -> torch.Tensor:
        noised: torch.Tensor = self.scheduler.add_noise(self.init_latents, self.noise, timestep)
        return noised


class _SDImageToImage(_FromInitLatents, StableDiffusionImg2ImgPipeline):
    pass


class _SDXLImageToImage(_FromInitLatents, StableDiffusionXLImg2ImgPipeline):
    pass


def _image_to_image(model: LoadedModel, init_latents: torch.Tensor, noise: torch.Tensor) -> Any:
    parts: dict[str, Any] = model.pipeline.components
    pipeline: Any
    if model.description.family == "sdxl":
        zeros = model.pipeline.config.get("force_zeros_for_empty_prompt", True)
        make: Any = _SDXLImageToImage
        pipeline = make(**parts, force_zeros_for_empty_prompt=zeros)
    else:
        make = _SDImageToImage
        pipeline = make(**parts, requires_safety_checker=False)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.init_latents, pipeline.noise = init_latents, noise
    return pipeline


_LATENT_FAMILIES = ("StableDiffusion3Pipeline", "FluxPipeline")
"""Other families whose latents our decode stage can take."""


def _run_other(
    model: LoadedModel, batch: Batch, generators: list[torch.Generator], on_step: OnStep
) -> torch.Tensor | list[Image.Image]:
    pipeline: Any = model.pipeline
    if batch.init_image is not None:
        pipeline = _other_image_to_image(model)
    gives_latents = model.description.pipeline_class in _LATENT_FAMILIES
    wanted = {
        **other_arguments(batch),
        "generator": generators,
        "output_type": "latent" if gives_latents else "pil",
        "callback_on_step_end": _callback(on_step, None),
    }
    accepted = inspect.signature(type(pipeline).__call__).parameters
    try:
        made = pipeline(**{name: value for name, value in wanted.items() if name in accepted})
    finally:
        model.pipeline.maybe_free_model_hooks()
    if not gives_latents:
        return list(made.images)
    latents: torch.Tensor = made.images
    if hasattr(pipeline, "_unpack_latents") and latents.ndim == 3:
        latents = pipeline._unpack_latents(
            latents, batch.height, batch.width, pipeline.vae_scale_factor
        )
    return latents.cpu()


def other_arguments(batch: Batch) -> dict[str, Any]:
    """What a pipeline of another family is given, as far as its call accepts it."""
    arguments: dict[str, Any] = {
        "prompt": batch.prompt,
        "num_images_per_prompt": len(batch.seeds),
        "width": batch.width,
        "height": batch.height,
        "num_inference_steps": batch.num_inference_steps,
    }
    if batch.negative_prompt:
        arguments["negative_prompt"] = batch.negative_prompt
    if batch.guidance_scale is not None:
        arguments["guidance_scale"] = batch.guidance_scale
    if batch.init_image is not None:
        arguments |= {"image": batch.init_image, "strength": batch.strength}
    return arguments


def not_accepted(model: LoadedModel, batch: Batch) -> list[str]:
    """The fields of a request that a model's pipeline has no place for."""
    if model.description.is_stable_diffusion:
        return []
    pipeline: Any = model.pipeline
    if batch.init_image is not None:
        pipeline = _other_image_to_image(model)
    accepted = inspect.signature(type(pipeline).__call__).parameters
    return [name for name in other_arguments(batch) if name not in accepted]


def _other_image_to_image(model: LoadedModel) -> Any:
    try:
        pipeline: Any = AutoPipelineForImage2Image.from_pipe(model.pipeline)
    except ValueError:
        pipeline = None
    if pipeline is not None:
        pipeline.set_progress_bar_config(disable=True)
        return pipeline
    raise UnsupportedModelError(
        f"{model.source.name} ({model.description.pipeline_class}) makes no pictures from an "
        "init image",
        "Leave the init image out, or use another model",
    )
