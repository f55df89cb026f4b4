"""Pipelines that exist only as blocks (Modular Diffusers), with the interface of the others.

They consist of diffusers' own blocks and the model's components: nothing of their own loading is
used, which follows indexes to other repositories and may run code from there.
"""

from __future__ import annotations

from typing import Any, ClassVar

import diffusers
import torch
from diffusers import DiffusionPipeline, ImagePipelineOutput
from diffusers.image_processor import VaeImageProcessor

from sdtui.engine.families.seams import computing_on

_Pipeline: Any = DiffusionPipeline  # without types
_ENCODER = "text_encoder"
"""The block that encodes the prompts."""


class BlocksPipeline(_Pipeline):  # type: ignore[misc]
    """Runs the blocks of a family."""

    config_name = "modular_model_index.json"
    modular_class: ClassVar[str]
    """The class in diffusers that has the blocks."""
    model_cpu_offload_seq = "text_encoder->text_conditioner->transformer->vae"

    def __init__(self, **components: Any) -> None:
        super().__init__()
        self.register_modules(**components)
        made = self._made_of(self._blocks())
        if components.get("scheduler") is None:  # a block brings it along
            self.register_modules(scheduler=made.scheduler)
        self.vae_scale_factor = int(made.vae_scale_factor)
        self.image_processor = VaeImageProcessor(vae_scale_factor=self.vae_scale_factor)

    def encode_prompt(
        self, prompt: str, negative_prompt: str | None, guidance_scale: float
    ) -> dict[str, Any]:
        """Return what the block of the text encoder gives to the others, by name."""
        encoder = self._made_of(self._blocks().sub_blocks[_ENCODER], guidance_scale)
        given = {"prompt": prompt, "negative_prompt": negative_prompt}
        state = encoder(**{name: given[name] for name in given if name in _inputs(encoder)})
        names = (each.name for each in encoder._blocks.intermediate_outputs)
        found = {name: state.get(name) for name in names}
        return {name: value for name, value in found.items() if value is not None}

    @torch.no_grad()
    def __call__(
        self,
        prompt: str,
        negative_prompt: str | None = None,
        width: int = 1024,
        height: int = 1024,
        num_inference_steps: int = 50,
        guidance_scale: float = 4.0,
        num_images_per_prompt: int = 1,
        generator: Any = None,
        output_type: str = "pil",
        image: Any = None,
    ) -> Any:
        """Make pictures from text, and from those that are references, as the calls of other
        pipelines do."""
        return self._make(
            prompt,
            negative_prompt,
            guidance_scale,
            width=width,
            height=height,
            num_inference_steps=num_inference_steps,
            num_images_per_prompt=num_images_per_prompt,
            generator=generator,
            output_type=output_type,
            image=image,
        )

    def _make(
        self, prompt: str, negative_prompt: str | None, guidance_scale: float, **given: Any
    ) -> Any:
        """Run the blocks with the values `given` that they take."""
        encoded = self.encode_prompt(prompt, negative_prompt or "", guidance_scale)
        rest = self.prepare_latents(guidance_scale)
        if isinstance(given["image"], list) and "strength" in given:
            # The blocks start from as many different pictures as there are prompts.
            count, given["num_images_per_prompt"] = given["num_images_per_prompt"], 1
            encoded = {name: torch.cat([value] * count) for name, value in encoded.items()}
        values = {name: value for name, value in {**given, **encoded}.items() if value is not None}
        taken = {name: value for name, value in values.items() if name in _inputs(rest)}
        return ImagePipelineOutput(rest(**taken, output="images"))

    def prepare_latents(self, guidance_scale: float) -> Any:
        """Return the pipeline of the blocks behind the encoder, which prepares latents, denoises
        and decodes."""
        blocks = self._blocks()
        for name in [each for each in blocks.sub_blocks if each.startswith((_ENCODER, "prompt_"))]:
            blocks.sub_blocks.pop(name)
        return self._made_of(blocks, guidance_scale)

    def _blocks(self) -> Any:
        """Return a copy of the family's blocks: they must not be changed."""
        return getattr(diffusers, self.modular_class)().blocks

    def _made_of(self, blocks: Any, guidance_scale: float | None = None) -> Any:
        """Return a pipeline of blocks with the components that they need."""
        made = blocks.init_pipeline()
        for name, part in self.components.items():
            if part is not None and name in made._component_specs:
                setattr(made, name, part)
        if guidance_scale is not None and getattr(made, "guider", None) is not None:
            # A scale of 1 turns it off; 0 means the same everywhere in sdtui.
            made.guider = made.guider.new(guidance_scale=guidance_scale or 1.0)
        made.__class__ = computing_on(type(made), self._execution_device)
        _silence(made._blocks)
        return made


class AnimaPipeline(BlocksPipeline):
    modular_class = "AnimaModularPipeline"

    def __init__(
        self,
        text_encoder: Any,
        tokenizer: Any,
        t5_tokenizer: Any,
        text_conditioner: Any,
        transformer: Any,
        vae: Any,
        scheduler: Any,
    ) -> None:
        super().__init__(
            text_encoder=text_encoder,
            tokenizer=tokenizer,
            t5_tokenizer=t5_tokenizer,
            text_conditioner=text_conditioner,
            transformer=transformer,
            vae=vae,
            scheduler=scheduler,
        )

    @torch.no_grad()
    def __call__(
        self,
        prompt: str,
        negative_prompt: str | None = None,
        width: int = 1024,
        height: int = 1024,
        num_inference_steps: int = 50,
        guidance_scale: float = 4.0,
        num_images_per_prompt: int = 1,
        generator: Any = None,
        output_type: str = "pil",
        image: Any = None,
        strength: float = 0.9,
    ) -> Any:
        """Make pictures from text, or from one picture for each of them or for all."""
        images = image if isinstance(image, list) else [image]
        if all(each is images[0] for each in images):
            image = images[0]
        return self._make(
            prompt,
            negative_prompt,
            guidance_scale,
            width=width,
            height=height,
            num_inference_steps=num_inference_steps,
            num_images_per_prompt=num_images_per_prompt,
            generator=generator,
            output_type=output_type,
            image=image,
            strength=strength,
        )


class Flux3Pipeline(BlocksPipeline):
    modular_class = "Flux3ModularPipeline"

    def __init__(
        self, text_encoder: Any, tokenizer: Any, transformer: Any, vae: Any, scheduler: Any = None
    ) -> None:
        super().__init__(
            text_encoder=text_encoder,
            tokenizer=tokenizer,
            transformer=transformer,
            vae=vae,
            scheduler=scheduler,
        )


class Flux3DistilledPipeline(Flux3Pipeline):
    modular_class = "Flux3DistilledModularPipeline"


_KINDS = (AnimaPipeline, Flux3Pipeline, Flux3DistilledPipeline)


def blocks_pipeline(pipeline_class: str) -> type[Any] | None:
    """Return the pipeline for a class of Modular Diffusers; None for other classes."""
    found = (each for each in _KINDS if each.modular_class == pipeline_class)
    return next(found, None)


def _inputs(made: Any) -> list[str]:
    names: list[str] = made._blocks.input_names
    return names


def _silence(block: Any) -> None:
    """Turn off the progress bars of a block and those in it."""
    if hasattr(block, "set_progress_bar_config"):
        block.set_progress_bar_config(disable=True)
    for each in block.sub_blocks.values():
        _silence(each)
