"""GenerationRequest: what is asked for, checked."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from sdtui.core.enums import DType, InitImageFit, MemoryMode, Policy, Speed
from sdtui.core.errors import InvalidRequestError, Problem
from sdtui.core.samplers import canonical_label
from sdtui.core.text import shortened
from sdtui.requests.fields import MAX_SEED, REQUEST_FIELDS

_PROMPT_NEEDED = "prompt needed"
_PYDANTICS_SHOULD = re.compile(r"^[A-Z][a-z]+ should")
"""As in "Input should be a multiple of 8" or "String should have at most 100 characters"."""


def _as_defined(name: str) -> Any:
    """A field whose default, limits and texts are those of `REQUEST_FIELDS`."""
    field = REQUEST_FIELDS[name]
    return Field(
        field.default,
        description=field.help,
        json_schema_extra={"label": field.label},
        **field.limits,
    )


class GenerationRequest(BaseModel):
    """What a person asks for. Fields left `None` take the model's own native value when it is
    loaded (size, steps, guidance, sampler) or are drawn at random (seed), and are recorded.

    Field names are those of diffusers; all else that there is to know of a field stands in
    `REQUEST_FIELDS`. Make one with `GenerationRequest.parse` where the values come
    from a person or a program: it raises InvalidRequestError instead of pydantic's error.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    prompt: Annotated[str, _as_defined("prompt")]
    negative_prompt: str = _as_defined("negative_prompt")
    model: str = _as_defined("model")
    sampler: str | None = _as_defined("sampler")
    num_inference_steps: int | None = _as_defined("num_inference_steps")
    guidance_scale: float | None = _as_defined("guidance_scale")
    width: int | None = _as_defined("width")
    height: int | None = _as_defined("height")
    seed: int | None = _as_defined("seed")
    num_images_per_prompt: int = _as_defined("num_images_per_prompt")
    init_image: Path | None = _as_defined("init_image")
    init_image_fit: InitImageFit = _as_defined("init_image_fit")
    strength: float | None = _as_defined("strength")
    policy: Policy = _as_defined("policy")
    memory_mode: MemoryMode = _as_defined("memory_mode")
    dtype: DType = _as_defined("dtype")
    speed: Speed = _as_defined("speed")

    @field_validator("prompt")
    @classmethod
    def _prompt_not_empty(cls, value: str, info: ValidationInfo) -> str:
        if info.context == _PROMPT_NEEDED and not value.strip():
            raise ValueError("must not be empty: say what the picture should show")
        return value

    @field_validator("init_image")
    @classmethod
    def _name_is_text(cls, value: Path | None) -> Path | None:
        try:
            str(value).encode()
        except UnicodeEncodeError as error:
            raise ValueError("its name is no valid text (UTF-8): rename it") from error
        return value

    @field_validator("*", mode="before")
    @classmethod
    def _true_is_no_number(cls, value: Any) -> Any:
        if isinstance(value, bool):
            raise ValueError(f"must not be {str(value).lower()}")
        return value

    @field_validator("sampler")
    @classmethod
    def _sampler_known(cls, value: str | None) -> str | None:
        try:
            return None if value is None else canonical_label(value)
        except InvalidRequestError as error:
            raise ValueError(error.problems[0].message) from error

    @model_validator(mode="after")
    def _strength_needs_an_init_image(self) -> Self:
        if self.strength is not None and self.init_image is None:
            raise ValueError("strength only has a meaning together with init_image")
        return self

    @classmethod
    def parse(cls, values: Mapping[str, Any], *, prompt_needed: bool = True) -> Self:
        """Make a request from loose values. An empty prompt is a prompt for a model, but hardly
        ever what a person means: it is one only where none is needed.

        Raises InvalidRequestError that names every wrong field, its value and its limit.
        """
        context = _PROMPT_NEEDED if prompt_needed else None
        try:
            return cls.model_validate(dict(values), context=context)
        except ValidationError as error:
            problems = [
                Problem(
                    field=".".join(str(part) for part in entry["loc"]) or "strength",
                    value=entry.get("input"),
                    message=explain(entry["type"], entry["msg"], entry.get("input")),
                )
                for entry in error.errors(include_url=False)
            ]
            raise InvalidRequestError(problems) from error

    def changed(self, **values: object) -> Self:
        """A copy with some fields changed, validated like a new one. A prompt is needed unless it
        does without one."""
        needed = bool(self.prompt.strip())
        return self.parse({**self.model_dump(), **values}, prompt_needed=needed)

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


def explain(kind: str, message: str, value: object) -> str:
    """What is wrong with a value, from an entry of pydantic's `ValidationError.errors()`: its type,
    message and input."""
    if kind == "missing":
        return "is missing"
    if kind == "extra_forbidden":
        return "is not a field of a request"
    text = message.removeprefix("Value error, ")
    if kind == "value_error":
        return text
    if kind.startswith(("int_", "float_")):
        wanted = "whole number" if kind.startswith("int_") else "number"
        return f"must be a {wanted}, not {_quoted(value)}"
    if kind == "string_unicode":
        return "must be text (UTF-8)"
    told = _PYDANTICS_SHOULD.sub("must", text)
    if kind in ("too_long", "too_short"):  # of lists, it says how many there are
        told = told.replace(" after validation", "")
        return f"{told[0].lower()}{told[1:]}"
    return f"{told[0].lower()}{told[1:]}, not {_quoted(value)}"


def _quoted(value: object) -> str:
    """A value as a message names it. Lists and objects may be as large as a request's body, and no
    one who sent one by mistake needs to be told what is in it."""
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, list | tuple):
        return "a list"
    return shortened(str(value))
