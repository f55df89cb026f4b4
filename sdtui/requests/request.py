"""GenerationRequest: the input of a generation.

A field is defined here or in a section, and nowhere else: flags, the form, the HTTP schemas and
error messages are derived from `REQUEST_FIELDS`. A new section takes its own file and one line in
the class.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Self

from sdtui.core.enums import POCKET, DynamicPrompts, PromptSyntax
from sdtui.core.errors import Problem
from sdtui.core.fields import FieldSpec, Section
from sdtui.requests.field_table import FieldTable, fields_of
from sdtui.requests.sections.adapters import Adapters
from sdtui.requests.sections.control import Control
from sdtui.requests.sections.editing import Editing
from sdtui.requests.sections.encoding import Encoding
from sdtui.requests.sections.execution import Execution
from sdtui.requests.sections.guidance import Guidance
from sdtui.requests.sections.hires import Hires
from sdtui.requests.sections.image_to_image import ImageToImage, default_strength
from sdtui.requests.sections.inpaint import Inpaint
from sdtui.requests.sections.noise import LARGEST_SEED, Noise
from sdtui.requests.sections.outpaint import Outpaint
from sdtui.requests.sections.pass_fields import GUIDANCE_SCALE, PROMPT, SAMPLER, STEPS
from sdtui.requests.sections.redraw import Redraw
from sdtui.requests.sections.refiner import Refiner
from sdtui.requests.sections.templates import Templates
from sdtui.requests.sections.tiling import Tiling
from sdtui.requests.sections.upscale import Upscale
from sdtui.requests.sections.vae import Vae

SIZE_MULTIPLE = 8
"""Sizes are multiples of this: the factor of the VAEs of SD 1.x, 2.x and SDXL."""

SMALLEST_SIDE = 64
LARGEST_SIDE = 2048
"""Pixels of a picture's width and height."""

MODEL_FIELDS = ("model", "hires_model", "refiner")
"""The fields that name models, the first pass's first."""

MAX_SEED = LARGEST_SEED

RANDOM_SEED = -1
"""What A1111 and most other tools write for an open seed."""

_SEEDS = ("seed", "variation_seed")

_IN_PLACE_OF_PROMPTS = ("styles", "init_image", "upscale_image", "controls", "ip_adapters")
"""Fields that say what to show by themselves."""


def random_seed() -> int:
    """Draw a seed, 0 to 2^32 - 1: torch's CPU generator has no more of them (it takes the low 32
    bits of a seed), and JavaScript rounds numbers above 2^53."""
    return int.from_bytes(os.urandom(4), "big")


def nth_seed(first: int, index: int) -> int:
    """The seed of picture `index` of a batch, where 0 follows MAX_SEED."""
    return (first + index) % (MAX_SEED + 1)


@dataclass(frozen=True)
class GenerationRequest(Section):
    """A user's request. Fields that are `None` are filled with the model's native value when it is
    loaded (size, steps, guidance, sampler) or drawn at random (seed), and are recorded.

    Field names are those of diffusers. Use `GenerationRequest.parse` for values from users or
    programs: the constructor checks nothing.
    """

    prompt: Annotated[
        str,
        replace(
            PROMPT,
            label="Prompt",
            help="What the picture should show.",
            a1111="prompt",
            aliases=("prompt", "positive prompt", "positive", "full prompt", "c"),
            openai="prompt",
            widget="prompt",
        ),
    ]
    negative_prompt: Annotated[
        str,
        replace(
            PROMPT,
            label="Negative prompt",
            help="What it should not show.",
            flags=("--negative", "-n"),
            a1111="negative_prompt",
            aliases=("negative prompt", "negative", "full negative prompt", "uc", "n prompt"),
            openai="negative_prompt",
            widget="prompt",
        ),
    ] = ""
    model: Annotated[
        str,
        FieldSpec(
            label="Model",
            help='A hub id, a model folder, a .safetensors file, or "pocket".',
            min_length=1,
            flags=("--model", "-m"),
            aliases=(
                *("model", "model name", "base model name", "base model", "model id"),
                *("use stable diffusion model", "sd model checkpoint", "model weights"),
                "stable diffusion model",
            ),
            widget="model",
            group="Model",
            chip="{}",
            letter="m",
        ),
    ] = POCKET
    vae: Vae = Vae()  # noqa: RUF009  # frozen
    adapters: Adapters = Adapters()  # noqa: RUF009  # frozen
    sampler: Annotated[
        str | None,
        replace(
            SAMPLER,
            label="Sampler",
            help='How noise is taken away, e.g. "DPM++ 2M Karras"; none = the model\'s own choice.',
            flags=("--sampler", "-s"),
            flag_help='"sdtui samplers" lists them.',
            a1111="sampler_name",
            aliases=("sampler", "sampler name", "scheduler"),
            openai="sampler",
            native=True,
            chip="{}",
            letter="s",
        ),
    ] = None
    num_inference_steps: Annotated[
        int | None,
        replace(
            STEPS,
            label="Steps",
            help="Denoising steps; none = the model's own number.",
            chip="{} steps",
            chip_short="{}",
            letter="t",
            flags=("--steps",),
            native=True,
            a1111="steps",
            openai="steps",
            search=("steps",),
            infotext="Steps",
            aliases=("steps", "num steps", "num inference steps", "inference steps"),
        ),
    ] = None
    guidance_scale: Annotated[
        float | None,
        replace(
            GUIDANCE_SCALE,
            label="CFG scale",
            help="How closely the prompt is followed; none = the model's own value.",
            chip="cfg {}",
            letter="c",
            flags=("--cfg",),
            native=True,
            a1111="cfg_scale",
            openai="guidance_scale",
            search=("cfg",),
            infotext="CFG scale",
            aliases=("cfg scale", "guidance scale", "cfg", "scale"),
        ),
    ] = None
    true_cfg_scale: Annotated[
        float | None,
        replace(
            GUIDANCE_SCALE,
            label="True CFG",
            help="CFG of models whose CFG scale is distilled into them (Flux). Above 1 the negative"
            " prompt counts, and steps take twice the time; none = the model's own, mostly 1.",
            flags=("--true-cfg",),
            native=True,
            is_rare=True,
            openai="true_cfg_scale",
            search=("true_cfg",),
            aliases=("true cfg scale", "true cfg"),
        ),
    ] = None
    width: Annotated[
        int | None,
        FieldSpec(
            label="Width",
            help="Width in pixels; none = the model's native size.",
            chip="{}",
            letter="w",
            a1111="width",
            search=("w", "width"),
            aliases=("width",),
            ge=SMALLEST_SIDE,
            le=LARGEST_SIDE,
            multiple_of=SIZE_MULTIPLE,
            step=64,
            native=True,
        ),
    ] = None
    height: Annotated[
        int | None,
        FieldSpec(
            label="Height",
            help="Height in pixels; none = the model's native size.",
            chip="×{}",
            joins_chip=True,
            a1111="height",
            search=("h", "height"),
            aliases=("height",),
            ge=SMALLEST_SIDE,
            le=LARGEST_SIDE,
            multiple_of=SIZE_MULTIPLE,
            step=64,
            native=True,
        ),
    ] = None
    seed: Annotated[
        int | None,
        FieldSpec(
            label="Seed",
            help="Where the noise starts; none or -1 = random. Picture i of a batch has seed + i.",
            chip="seed {}",
            letter="e",
            ge=0,
            le=MAX_SEED,
            open_text="random",
            a1111="seed",
            openai="seed",
            search=("seed",),
            infotext="Seed",
            aliases=("seed", "noise seed"),
        ),
    ] = None
    num_images_per_prompt: Annotated[
        int,
        FieldSpec(
            label="Pictures",
            help="How many pictures to make.",
            chip="×{}",
            letter="n",
            ge=1,
            le=64,
            flags=("--count",),
            open_text="1",
        ),
    ] = 1
    templates: Templates = Templates()  # noqa: RUF009  # frozen
    encoding: Encoding = Encoding()  # noqa: RUF009  # frozen
    image_to_image: ImageToImage | None = None
    editing: Editing = Editing()  # noqa: RUF009  # frozen
    inpainting: Inpaint | None = None
    outpainting: Outpaint | None = None
    hires: Hires | None = None
    refiner: Refiner | None = None
    control: Control = Control()  # noqa: RUF009  # frozen
    noise: Noise = Noise()  # noqa: RUF009  # frozen
    guidance: Guidance = Guidance()  # noqa: RUF009  # frozen
    tiling: Tiling = Tiling()  # noqa: RUF009  # frozen
    upscale: Upscale = Upscale()  # noqa: RUF009  # frozen
    redraw: Redraw | None = None
    execution: Execution = Execution()  # noqa: RUF009  # frozen

    @classmethod
    def parse(cls, values: Mapping[str, Any], *, prompt_needed: bool = True) -> Self:
        """Make a request from loose values, flat or in sections (see FieldTable). A prompt may be
        empty or missing where styles or pictures say what to show. Elsewhere an empty one is
        allowed only where `prompt_needed` is false: to a model it is a prompt, but it is hardly
        ever what a person means. A seed of -1 stands for an open one, as in other tools.

        Raises InvalidRequestError that names every wrong field, its value and its limit.
        """
        from sdtui.requests.validation import validate

        flat = fields_of(cls).flat(values)
        if any(flat.get(name) for name in _IN_PLACE_OF_PROMPTS):
            flat.setdefault("prompt", "")
            prompt_needed = False
        prompt = flat.get("prompt")
        problems = []
        if prompt_needed and isinstance(prompt, str) and not prompt.strip():
            message = "must not be empty: say what the picture should show"
            problems = [Problem("prompt", prompt, message)]
        for name in _SEEDS:
            if flat.get(name) in (RANDOM_SEED, str(RANDOM_SEED)):
                flat[name] = None
        return validate(cls, fields_of(cls), flat, problems)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        """Called by pydantic: JSON of version 0.1, which has no sections, is taken too."""
        from pydantic_core.core_schema import no_info_before_validator_function

        def in_sections(values: Any) -> Any:
            return fields_of(cls).nested(values) if isinstance(values, Mapping) else values

        return no_info_before_validator_function(in_sections, handler(source))

    def values(self) -> dict[str, Any]:
        """The flat values of all fields."""
        return fields_of(type(self)).values_of(self)

    def changed(self, **values: object) -> Self:
        """A copy with some fields changed, validated like a new one. A prompt is needed unless the
        request does without one."""
        changes = fields_of(type(self)).flat(values)
        return self.parse({**self.values(), **changes}, prompt_needed=bool(self.prompt.strip()))

    def input_images(self) -> dict[str, Path]:
        """Every file that the request names, by the name of its field."""
        return dict(fields_of(type(self)).files(self))

    @property
    def first_input_image(self) -> Path | None:
        """What a result is compared with; None if the request starts from noise alone."""
        return next(iter(self.input_images().values()), None)

    @property
    def strength(self) -> float:
        """How much of the init image is made anew: as asked for, or the default."""
        section = self.image_to_image
        if section is not None and section.strength is not None:
            return section.strength
        fill = self.inpainting and self.inpainting.fill
        return default_strength(outpaint=self.outpainting, fill=fill)

    @property
    def takes_dynamic_prompts(self) -> bool:
        """False if alternatives, variables and wildcards are switched off."""
        is_plain = self.encoding.prompt_syntax is PromptSyntax.PLAIN
        return self.templates.dynamic_prompts is not DynamicPrompts.OFF and not is_plain

    @property
    def has_templates(self) -> bool:
        """True if the pictures' prompts aren't as they are written here."""
        from sdtui.core.dynamic_prompts.parser import is_dynamic

        texts = (self.prompt, self.negative_prompt) if self.takes_dynamic_prompts else ()
        return bool(self.templates.styles) or any(map(is_dynamic, texts))

    def with_seed(self) -> Self:
        """The request itself if its seeds are set, else a copy with seeds drawn at random."""
        request = self if self.seed is not None else replace(self, seed=random_seed())
        if self.noise.is_varied and self.noise.variation_seed is None:
            request = request._with_variation_seed(random_seed())
        return request

    def seeds(self) -> tuple[int, ...]:
        """The seed of every picture. With a variation seed it is the same for all, else it counts
        up (see `nth_seed`). `seed` must be set; a run sets it when it starts."""
        if self.seed is None:
            raise ValueError("the seed is still open")
        if self.noise.is_varied:
            return (self.seed,) * self.num_images_per_prompt
        return tuple(nth_seed(self.seed, index) for index in range(self.num_images_per_prompt))

    def variation_seeds(self) -> tuple[int, ...] | None:
        """The variation seed of every picture, which must be set; None without variation."""
        if not self.noise.is_varied:
            return None
        if self.noise.variation_seed is None:
            raise ValueError("the variation seed is still open")
        first = self.noise.variation_seed
        return tuple(nth_seed(first, index) for index in range(self.num_images_per_prompt))

    def without_first(self, done: int) -> Self:
        """The request for the pictures after the first `done` of them. Open seeds stay open."""
        rest = replace(self, num_images_per_prompt=self.num_images_per_prompt - done)
        if not self.noise.is_varied:
            return rest if self.seed is None else replace(rest, seed=nth_seed(self.seed, done))
        first = self.noise.variation_seed
        return rest if first is None else rest._with_variation_seed(nth_seed(first, done))

    def _with_variation_seed(self, seed: int) -> Self:
        return replace(self, noise=replace(self.noise, variation_seed=seed))


REQUEST_FIELDS: FieldTable = fields_of(GenerationRequest)
"""All fields of a request, by unique name."""
