"""GenerationRequest: every field that can be asked for, its default, its limits and its help.

The form, the command-line flags and the HTTP schema are all made from this one definition.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic.config import JsonDict

from sdtui.core.errors import InvalidRequestError, Problem
from sdtui.core.samplers import canonical_label

POCKET = "pocket"
"""The name of the model that ships with sdtui."""

SIZE_MULTIPLE = 8
"""Sizes are multiples of this: the factor of the VAEs of SD 1.x, 2.x and SDXL."""

MAX_SEED = 2**32 - 1
"""The largest seed that other front ends also take."""

DEFAULT_STRENGTH = 0.75
"""Denoising strength when an init image comes without one; the value of A1111."""


class Policy(StrEnum):
    """What may be done when memory runs out."""

    KEEP = "keep"
    STRICT = "strict"
    TUTORIAL = "tutorial"


class MemoryMode(StrEnum):
    """Where the weights are during a run, fastest first."""

    AUTO = "auto"
    FULL = "full"
    MODEL_OFFLOAD = "model_offload"
    GROUP_OFFLOAD = "group_offload"
    SEQUENTIAL_OFFLOAD = "sequential_offload"


class DType(StrEnum):
    """The number format of the weights."""

    AUTO = "auto"
    FLOAT32 = "float32"
    FLOAT16 = "float16"
    BFLOAT16 = "bfloat16"


class Speed(StrEnum):
    """What may be given up for speed."""

    QUALITY = "quality"
    FAST = "fast"
    MAX = "max"


class InitImageFit(StrEnum):
    """How an init image of another shape is brought to the asked size."""

    CROP = "crop"
    PAD = "pad"


def _label(text: str) -> JsonDict:
    return {"label": text}


class GenerationRequest(BaseModel):
    """What a person asks for. Fields left `None` take the model's own native value when it is
    loaded (size, steps, guidance, sampler) or are drawn at random (seed), and are recorded.

    Field names are those of diffusers; the labels that people know stand in
    `json_schema_extra["label"]`. Make one with `GenerationRequest.parse` where the values come
    from a person or a program: it raises InvalidRequestError instead of pydantic's error.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    prompt: str = Field(
        max_length=20_000,
        json_schema_extra=_label("Prompt"),
        description="What the picture should show.",
    )

    negative_prompt: str = Field(
        "",
        max_length=20_000,
        json_schema_extra=_label("Negative prompt"),
        description="What it should not show.",
    )

    model: str = Field(
        POCKET,
        min_length=1,
        json_schema_extra=_label("Model"),
        description='A hub id, a model folder, a .safetensors file, or "pocket".',
    )

    sampler: str | None = Field(
        None,
        json_schema_extra=_label("Sampler"),
        description=(
            'How noise is taken away, e.g. "DPM++ 2M Karras"; none = the model\'s own choice.'
        ),
    )

    num_inference_steps: int | None = Field(
        None,
        ge=1,
        le=150,
        json_schema_extra=_label("Steps"),
        description="Denoising steps; none = the model's own number.",
    )

    guidance_scale: float | None = Field(
        None,
        ge=0,
        le=30,
        allow_inf_nan=False,
        json_schema_extra=_label("CFG scale"),
        description="How closely the prompt is followed; none = the model's own value.",
    )

    width: int | None = Field(
        None,
        ge=64,
        le=2048,
        multiple_of=SIZE_MULTIPLE,
        json_schema_extra=_label("Width"),
        description="Width in pixels; none = the model's native size.",
    )

    height: int | None = Field(
        None,
        ge=64,
        le=2048,
        multiple_of=SIZE_MULTIPLE,
        json_schema_extra=_label("Height"),
        description="Height in pixels; none = the model's native size.",
    )

    seed: int | None = Field(
        None,
        ge=0,
        le=MAX_SEED,
        json_schema_extra=_label("Seed"),
        description="Where the noise starts; none = random. Picture i of a batch has seed + i.",
    )

    num_images_per_prompt: int = Field(
        1,
        ge=1,
        le=64,
        json_schema_extra=_label("Pictures"),
        description="How many pictures to make.",
    )

    init_image: Path | None = Field(
        None,
        json_schema_extra=_label("Init image"),
        description="A picture to start from (image-to-image).",
    )

    init_image_fit: InitImageFit = Field(
        InitImageFit.CROP,
        json_schema_extra=_label("Fit"),
        description="Crop or pad an init image of another shape.",
    )

    strength: float | None = Field(
        None,
        ge=0,
        le=1,
        allow_inf_nan=False,
        json_schema_extra=_label("Denoising strength"),
        description="How much of the init image is made anew, 0 to 1 (0.75 where it is left open).",
    )

    policy: Policy = Field(
        Policy.KEEP,
        json_schema_extra=_label("Retry policy"),
        description=(
            "What may be done when memory runs out: keep = all means, those that keep the "
            "picture first; strict = never change what was asked; tutorial = 384 px, then "
            "25 steps."
        ),
    )

    memory_mode: MemoryMode = Field(
        MemoryMode.AUTO,
        json_schema_extra=_label("Memory mode"),
        description="Where the weights are during a run; auto = the fastest mode that fits.",
    )

    dtype: DType = Field(
        DType.AUTO,
        json_schema_extra=_label("Precision"),
        description="Number format of the weights; auto = what suits the device.",
    )

    speed: Speed = Field(
        Speed.QUALITY,
        json_schema_extra=_label("Speed"),
        description=(
            "What may be given up for speed: quality = nothing, the picture stays as it is;"
            " fast = nearly the same picture; max = all there is, and a minute of compiling"
            " at the start."
        ),
    )

    @field_validator("prompt")
    @classmethod
    def _prompt_not_empty(cls, value: str) -> str:
        if not value.strip():
            raise ValueError("must not be empty: say what the picture should show")
        return value

    @field_validator("sampler")
    @classmethod
    def _sampler_known(cls, value: str | None) -> str | None:
        try:
            return None if value is None else canonical_label(value)
        except InvalidRequestError as error:
            message = error.problems[0].message
        raise ValueError(message)

    @model_validator(mode="after")
    def _strength_needs_an_init_image(self) -> Self:
        if self.strength is not None and self.init_image is None:
            raise ValueError("strength only has a meaning together with init_image")
        return self

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> Self:
        """Make a request from loose values.

        Raises InvalidRequestError that names every wrong field, its value and its limit.
        """
        try:
            return cls.model_validate(dict(values))
        except ValidationError as error:
            problems = [
                Problem(
                    field=".".join(str(part) for part in entry["loc"]) or "strength",
                    value=entry.get("input"),
                    message=_explain(entry["type"], entry["msg"], entry.get("input")),
                )
                for entry in error.errors(include_url=False)
            ]
        raise InvalidRequestError(problems)

    def changed(self, **values: object) -> Self:
        """A copy with some fields changed, validated like a new one."""
        return self.parse({**self.model_dump(), **values})

    def with_seed(self) -> Self:
        """The request itself if its seed is set, else a copy with one drawn at random."""
        if self.seed is not None:
            return self
        return self.model_copy(update={"seed": secrets.randbelow(MAX_SEED + 1)})

    def seeds(self) -> tuple[int, ...]:
        """The seed of every picture: picture i has `seed + i`, wrapping round at 2^32.

        `seed` must be set; a run sets it when it starts.
        """
        if self.seed is None:
            raise ValueError("the seed is still open")
        return tuple(
            (self.seed + index) % (MAX_SEED + 1) for index in range(self.num_images_per_prompt)
        )


def field_label(name: str) -> str:
    """The label that people know for a field, e.g. "CFG scale" for `guidance_scale`."""
    extra = GenerationRequest.model_fields[name].json_schema_extra
    return str(extra["label"]) if isinstance(extra, dict) else name


def _explain(kind: str, message: str, value: object) -> str:
    if kind == "missing":
        return "is missing"
    if kind == "extra_forbidden":
        return "is not a field of a request"
    text = message.removeprefix("Value error, ")
    if kind == "value_error":
        return text
    shown = str(value)
    return f"{text[0].lower()}{text[1:]}, not {shown if len(shown) <= 60 else shown[:57] + '...'}"
