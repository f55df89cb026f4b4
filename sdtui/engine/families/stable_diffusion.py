"""SD 1.x, SD 2.x and SDXL: the pipeline's call only denoises; prompt encoding, noise and decoding
are separate."""

from __future__ import annotations

from typing import Any

import torch
from diffusers import StableDiffusionImg2ImgPipeline, StableDiffusionXLImg2ImgPipeline
from PIL import Image

from sdtui.core.errors import UnsupportedModelError
from sdtui.engine.embeddings import Embeddings, Encoding
from sdtui.engine.encode.clip import encode_prompts
from sdtui.engine.families.family import OnStep, step_callback
from sdtui.engine.latents import run_decoder, unscale_latents
from sdtui.engine.loaded import LoadedModel
from sdtui.engine.noise import BatchNoise
from sdtui.engine.passes import Batch, Pass, Start, StartContext
from sdtui.engine.preview import X0Watcher
from sdtui.engine.resolved_request import ResolvedRequest
from sdtui.models import ModelDescription
from sdtui.models.component_files import UNUSED
from sdtui.requests.record import Stage


class StableDiffusionFamily:
    """Runs SD 1.x, SD 2.x and SDXL. Implements Family."""

    batches_prompts = False

    def components(self, description: ModelDescription, stage: Stage = Stage.LOAD) -> list[str]:
        """Never returns the safety checker and its feature extractor."""
        return [
            name
            for name in description.components
            if name not in UNUSED and stage in _stages_of(name)
        ]

    def can_start(self, description: ModelDescription) -> bool:
        """Return True: its VAE encodes pictures."""
        return True

    def can_inpaint(self, description: ModelDescription) -> bool:
        """Return True: latents can be put back after each step."""
        return True

    def pictures_in_prompt(self, model: LoadedModel, pass_: Pass) -> tuple[Image.Image, ...]:
        """Return nothing: CLIP reads the prompts alone."""
        return ()

    def encode(self, model: LoadedModel, encoding: Encoding, pass_: Pass) -> Embeddings:
        return encode_prompts(model, encoding)

    def not_accepted(self, model: LoadedModel, batch: Batch) -> list[str]:
        """Return nothing: these pipelines accept every field."""
        return []

    def start_latents(self, context: StartContext, start: Start) -> torch.Tensor:
        return start.latents(context)

    def prepare(self, model: LoadedModel, batch: Batch) -> None:
        """Do nothing: `start_latents` has encoded the pictures."""

    def denoise(
        self, model: LoadedModel, batch: Batch, on_step: OnStep, *, watch: bool
    ) -> torch.Tensor:
        scheduler = model.pipeline.scheduler
        if not hasattr(scheduler, "init_noise_sigma"):  # those of flow matching
            raise UnsupportedModelError(
                f"{model.description.pipeline_class} can't use {type(scheduler).__name__}, the "
                f"kind of sampler that {model.source.name} is made for",
                "Use the sampler UniPC",
            )
        noise = batch.noise()
        arguments = {**batch.arguments, **_embeddings(model, batch)}
        pass_, request = batch.pass_, batch.pass_.request
        if pass_.end < 1:
            arguments["denoising_end"] = pass_.end
        if pass_.start is None:
            arguments |= {
                "width": request.width,
                "height": request.height,
                "latents": _initial_noise(model, batch, noise),
            }
            return _call(model, model.pipeline, batch, noise, arguments, on_step, watch=watch)
        start = batch.start
        assert start is not None
        added = noise.initial(start.shape[1:], (request.width, request.height)).to(start)
        added = added * pass_.noise_multiplier
        if pass_.expected_steps < 1:
            return start.cpu()
        pipeline = _pipeline_from_latents(model, start, added)
        pipeline.last_steps = pass_.last_steps
        # The pipeline validates the picture, but its latents are computed already.
        arguments |= {"image": start, "strength": pass_.strength}
        if pass_.begin:
            arguments["denoising_start"] = pass_.begin
        return _call(model, pipeline, batch, noise, arguments, on_step, watch=watch)

    def decode(
        self, model: LoadedModel, vae: Any, latents: torch.Tensor, request: ResolvedRequest
    ) -> torch.Tensor:
        return run_decoder(model, vae, unscale_latents(vae.config, latents)).float().cpu()


def _stages_of(component: str) -> tuple[Stage, ...]:
    """Return the stages that need a component."""
    if component.startswith("text_encoder"):
        return Stage.LOAD, Stage.ENCODE
    if component == "unet":
        return Stage.LOAD, Stage.DENOISE
    return (Stage.LOAD, Stage.PREPARE, Stage.DECODE) if component == "vae" else tuple(Stage)


def _initial_noise(model: LoadedModel, batch: Batch, noise: BatchNoise) -> torch.Tensor:
    """Return noise, N x C x h x w, in the denoiser's dtype, on the device."""
    request, factor = batch.pass_.request, model.description.vae_factor
    width, height = request.width, request.height
    # Inpainting models take more channels than the latents have.
    shape = (model.denoiser.config.out_channels, height // factor, width // factor)
    drawn = noise.initial(shape, (width, height))
    return drawn.to(model.execution_device, model.denoiser.dtype)


def _embeddings(model: LoadedModel, batch: Batch) -> dict[str, torch.Tensor]:
    device = model.execution_device
    arguments = batch.embeddings.arguments
    return {name: tensor.to(device) for name, tensor in arguments.items()}


def _call(
    model: LoadedModel,
    pipeline: Any,
    batch: Batch,
    noise: BatchNoise,
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
    guidance = batch.pass_.request.guidance_scale
    guided = guidance if model.description.uses_cfg(guidance) else 1.0
    handle = watcher.watch(model.denoiser, guided) if watcher else None
    try:
        with noise.drawn_by_libraries():
            latents = pipeline(
                num_inference_steps=batch.pass_.request.num_inference_steps,
                guidance_scale=guidance,
                num_images_per_prompt=len(batch.seeds),
                generator=noise.generators,
                output_type="latent",
                callback_on_step_end=step_callback(on_step, watcher),
                **arguments,
            ).images
    finally:
        if handle:
            handle.remove()
        # The last line of the pipeline's own call, which an error or a cancellation skips.
        model.pipeline.maybe_free_model_hooks()
    assert isinstance(latents, torch.Tensor)
    return latents.cpu()


class _FromLatents:
    """Makes diffusers' image-to-image pipelines start from given latents and noise, so that a
    failed encoding can be retried alone and the noise is drawn in fp32."""

    scheduler: Any
    start: torch.Tensor
    noise: torch.Tensor
    last_steps: int | None

    def get_timesteps(
        self, num_inference_steps: int, strength: float, *others: Any, **more: Any
    ) -> tuple[torch.Tensor, int]:
        """Return the timesteps that are run: by the strength, or the last ones of the schedule."""
        count = self.last_steps
        if count is None:
            # A mixin: the pipeline's own method comes next.
            steps: tuple[torch.Tensor, int] = super().get_timesteps(  # type: ignore[misc]
                num_inference_steps, strength, *others, **more
            )
            return steps
        skipped = max(num_inference_steps - count, 0)
        begin = skipped * self.scheduler.order
        if hasattr(self.scheduler, "set_begin_index"):
            self.scheduler.set_begin_index(begin)
        return self.scheduler.timesteps[begin:], num_inference_steps - skipped

    def prepare_latents(
        self, image: object, timestep: torch.Tensor, *_: object, **__: object
    ) -> torch.Tensor:
        if getattr(self, "denoising_start", None) is not None:
            return self.start
        noised: torch.Tensor = self.scheduler.add_noise(self.start, self.noise, timestep)
        return noised


class _SDFromLatents(_FromLatents, StableDiffusionImg2ImgPipeline):
    pass


class _SDXLFromLatents(_FromLatents, StableDiffusionXLImg2ImgPipeline):
    pass


def _pipeline_from_latents(model: LoadedModel, start: torch.Tensor, noise: torch.Tensor) -> Any:
    """Return a pipeline of the model's components that adds `noise` to `start`, both N x C x h x
    w."""
    parts: dict[str, Any] = model.pipeline.components
    pipeline: Any
    if model.description.family == "sdxl":
        zeros = model.pipeline.config.get("force_zeros_for_empty_prompt", True)
        make: Any = _SDXLFromLatents
        is_scored = model.pipeline.config.get("requires_aesthetics_score", False)
        pipeline = make(
            **parts, force_zeros_for_empty_prompt=zeros, requires_aesthetics_score=is_scored
        )
    else:
        make = _SDFromLatents
        pipeline = make(**parts, requires_safety_checker=False)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.start, pipeline.noise = start, noise
    return pipeline
