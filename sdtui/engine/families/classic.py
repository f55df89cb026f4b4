"""All other families: runs the call of any image pipeline of diffusers in stages, through its
seams."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import torch
from PIL import Image

from sdtui.core.errors import UnsupportedModelError
from sdtui.engine.call_defaults import call_defaults
from sdtui.engine.embeddings import Embeddings, Encoding
from sdtui.engine.families.call import (
    blank_images,
    call_arguments,
    inpainting_class,
    pipeline_for,
    starting_class,
)
from sdtui.engine.families.family import OnStep
from sdtui.engine.families.seams import (
    Reached,
    ending,
    is_denoiser,
    seams,
    stop_at_denoiser,
)
from sdtui.engine.families.watched_steps import WatchedSteps
from sdtui.engine.latents import run_decoder
from sdtui.engine.loaded import LoadedModel
from sdtui.engine.noise import BatchNoise
from sdtui.engine.passes import Batch, Pass, Start, StartContext
from sdtui.engine.remembered import Remembered
from sdtui.engine.resolved_request import ResolvedRequest
from sdtui.engine.samplers import use_sampler
from sdtui.models import ModelDescription
from sdtui.requests.record import Stage

_DIMENSIONS_OF_VIDEO = 5
"""VAEs for videos decode a picture to N x 3 x 1 x H x W."""

_FIELDS = {"image_reference": "references"}
"""Fields of a request by the argument that takes them, if they have other names."""
_CONDITIONER = "text_conditioner"
"""A component of Anima between text encoder and denoiser, which belongs to the denoising."""
_REWRITING = ("pe", "pe_tokenizer", "prompt_upsampler", "prompt_upsampler_processor")
"""Components that rewrite prompts, which are taken as they are."""
_VAES = ("vae", "vqvae", "movq", "vqgan")


class ClassicFamily:
    """Runs any image pipeline of diffusers. Implements Family."""

    batches_prompts = True

    def components(self, description: ModelDescription, stage: Stage = Stage.LOAD) -> list[str]:
        return [
            name
            for name in description.components
            if name not in _REWRITING
            and (stage is Stage.LOAD or stage in _stages_of(description, name))
        ]

    def can_start(self, description: ModelDescription) -> bool:
        """Return whether diffusers has a pipeline for that with the same components."""
        return starting_class(description) is not None

    def can_inpaint(self, description: ModelDescription) -> bool:
        """Return whether diffusers has an inpainting pipeline for the same components."""
        return inpainting_class(description) is not None

    def encode(self, model: LoadedModel, encoding: Encoding, pass_: Pass) -> Embeddings:
        """Return what the pipeline's encoders give in its call, as far as it comes before its
        VAE and its denoiser."""
        remembered = Remembered()
        pipeline = pipeline_for(model, pass_)
        defaults = call_defaults(pipeline)
        if hasattr(pipeline, "encode_prompt"):
            use_sampler(model, pass_.request)
            images = _starting_images(model, pipeline, pass_, encoding.pictures)
            arguments = call_arguments(
                pass_, encoding.pictures, images, defaults, model.description.traits
            )
            answering = remembered.answering(model.execution_device)
            with seams(
                pipeline,
                of_pipeline={"encode_prompt": answering, "prepare_latents": ending},
                of_vae={"encode": ending, "decode": ending},
                before_denoiser=stop_at_denoiser,
            ):
                _call(model, pipeline, _accepted(arguments, defaults))
        return Embeddings(remembered=remembered)

    def pictures_in_prompt(self, model: LoadedModel, pass_: Pass) -> tuple[Image.Image, ...]:
        if not pass_.has_pictures or not _encodes_pictures(pipeline_for(model, pass_)):
            return ()
        if pass_.start is None:
            return pass_.references
        return (_known_picture(model, pass_.start, pass_.request),)

    def not_accepted(self, model: LoadedModel, batch: Batch) -> list[str]:
        pass_ = batch.pass_
        defaults = call_defaults(pipeline_for(model, pass_))
        count, traits = len(batch.seeds), model.description.traits
        arguments = call_arguments(pass_, count, blank_images(pass_, count), defaults, traits)
        names = [_FIELDS.get(name, name) for name in arguments if name not in defaults]
        if "generator" not in defaults:
            names.append("seed")
        if pass_.noise_multiplier != 1:
            names.append("noise_multiplier")
        if pass_.request.noise.is_resized:
            names.append("seed resize")
        return names

    def start_latents(self, context: StartContext, start: Start) -> None:
        """Return None: the pipeline's call encodes pictures."""

    def prepare(self, model: LoadedModel, batch: Batch) -> None:
        """Let the pipeline encode the pictures that a batch starts from."""
        if not batch.pass_.has_pictures:
            return
        use_sampler(model, batch.pass_.request)
        pipeline, arguments = _pipeline_and_arguments(model, batch, batch.noise())
        with (
            _answered(model, pipeline, batch),
            seams(pipeline, of_vae={"decode": ending}, before_denoiser=stop_at_denoiser),
        ):
            _call(model, pipeline, arguments)

    def denoise(
        self, model: LoadedModel, batch: Batch, on_step: OnStep, *, watch: bool
    ) -> torch.Tensor | list[Image.Image]:
        """Return what the pipeline gives its VAE to decode; its finished pictures if it has none,
        or no image processor, which the decode stage needs."""
        noise = batch.noise()
        pipeline, arguments = _pipeline_and_arguments(model, batch, noise)
        steps = WatchedSteps(
            pipeline, batch.pass_.request, on_step, watch=watch and model.to_rgb is not None
        )
        decodes = hasattr(pipeline, "image_processor")
        with (
            noise.drawn_by_libraries(varied=True),
            _answered(model, pipeline, batch),
            seams(
                pipeline,
                of_scheduler={"step": steps.watching},
                of_vae={"decode": steps.ending} if decodes else {},
            ),
        ):
            result = _call(model, pipeline, arguments)
        return _checked(result, model, len(batch.seeds))

    def decode(
        self, model: LoadedModel, vae: Any, latents: torch.Tensor, request: ResolvedRequest
    ) -> torch.Tensor:
        pixels = run_decoder(model, vae, latents)
        if pixels.ndim == _DIMENSIONS_OF_VIDEO:
            pixels = pixels[:, :, 0]
        # Some unknown pipelines may draw in the nearest of their own sizes.
        fitted = getattr(model.pipeline.image_processor, "resize_and_crop_tensor", None)
        if fitted and pixels.shape[2:] != (request.height, request.width):
            pixels = fitted(pixels, request.width, request.height)
        return pixels.cpu()  # in the VAE's precision until they are 8-bit numbers, as in diffusers


def _stages_of(description: ModelDescription, name: str) -> tuple[Stage, ...]:
    """Return the stages that need the weights of a component."""
    if not description.parameters.get(name):  # tokenizers, schedulers, processors
        return tuple(Stage)
    if is_denoiser(name) or name == _CONDITIONER:
        return (Stage.DENOISE,)
    if name in _VAES:
        # The last thing that a denoising does is to bring the latents to the VAE's device, and for
        # FLUX.2 to scale them by statistics among its weights.
        return (Stage.PREPARE, Stage.DENOISE, Stage.DECODE)
    if name == "image_encoder":
        return (Stage.PREPARE, Stage.DENOISE)
    return (Stage.ENCODE,)


def _encodes_pictures(pipeline: Any) -> bool:
    """Return whether a pipeline's prompts are encoded together with pictures."""
    encode = getattr(pipeline, "encode_prompt", None)
    return encode is not None and "image" in inspect.signature(encode).parameters


def _starting_images(
    model: LoadedModel, pipeline: Any, pass_: Pass, count: int
) -> Sequence[Image.Image]:
    """Return what stands for the images that a pass starts from while its prompts are encoded: the
    one that the encoder looks at, or blank ones."""
    if pass_.start is None or not _encodes_pictures(pipeline):
        return blank_images(pass_, count)
    return [_known_picture(model, pass_.start, pass_.request)]


def _known_picture(model: LoadedModel, start: Start, request: ResolvedRequest) -> Image.Image:
    picture = start.picture(request)
    if picture is None:
        raise UnsupportedModelError(
            f"{model.source.name} reads the prompt together with a picture that isn't there yet",
            "Leave hires out, or use another model",
        )
    return picture


def _pipeline_and_arguments(
    model: LoadedModel, batch: Batch, noise: BatchNoise
) -> tuple[Any, dict[str, Any]]:
    pipeline = pipeline_for(model, batch.pass_)
    defaults = call_defaults(pipeline)
    images = [each.image for each in batch.starts if each.image is not None]
    if _encodes_pictures(pipeline):
        del images[1:]  # all are the same
    traits = model.description.traits
    arguments = call_arguments(batch.pass_, len(batch.seeds), images, defaults, traits)
    generators = {"generator": noise.generators}
    return pipeline, _accepted({**arguments, **generators, **batch.arguments}, defaults)


def _accepted(arguments: dict[str, Any], defaults: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments that a call takes."""
    # Its seam at the VAE would not be reached with latents as its output.
    wanted = {**arguments, "output_type": "pil"}
    return {name: value for name, value in wanted.items() if name in defaults}


def _checked(result: Any, model: LoadedModel, count: int) -> torch.Tensor | list[Image.Image]:
    """Return what ended a call, or the pictures of its result. Raises UnsupportedModelError if
    these aren't `count` latents or pictures."""
    found: torch.Tensor | list[Image.Image]
    if isinstance(result, torch.Tensor):
        found = result.cpu()
    else:
        images = getattr(result, "images", None)
        found = [] if images is None else [each for each in images if isinstance(each, Image.Image)]
    if len(found) != count:
        returned = f"{len(found)} pictures in place of {count}" if len(found) else "no pictures"
        raise UnsupportedModelError(
            f"{model.description.pipeline_class}, which {model.source.name} is made for, returns "
            f"{returned}",
            "Use a text-to-image model",
        )
    return found


def _answered(model: LoadedModel, pipeline: Any, batch: Batch) -> Any:
    """Return a context in which the pipeline gets what was encoded before."""
    prompts, kept = batch.embeddings.remembered, batch.encoded
    device = model.execution_device
    return seams(
        pipeline,
        of_pipeline={"encode_prompt": kept.answering(device, *([prompts] if prompts else ()))},
        of_vae={"encode": kept.answering(device)},
    )


def _call(model: LoadedModel, pipeline: Any, arguments: dict[str, Any]) -> Any:
    """Return what ended a pipeline's call at a seam, else its result."""
    try:
        return pipeline(**arguments)
    except Reached as reached:
        return reached.value
    finally:
        # The last line of the pipeline's own call, which a seam skips.
        model.pipeline.maybe_free_model_hooks()
