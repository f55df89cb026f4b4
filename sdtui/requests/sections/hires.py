"""Hires fix: a finished small picture is enlarged and denoised again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Annotated

from sdtui.core.fields import FieldSpec, Section
from sdtui.requests.sections.pass_fields import (
    GUIDANCE_SCALE,
    PROMPT,
    SAMPLER,
    STEPS,
    STRENGTH,
)

DEFAULT_HIRES_SCALE = 2.0
DEFAULT_HIRES_STRENGTH = 0.7
"""Of A1111's window; its HTTP API has 0.75."""

LARGEST_HIRES_SIDE = 8192
"""Pixels."""

LATENT = "Latent"
LATENT_UPSCALERS = (
    LATENT,
    "Latent (antialiased)",
    "Latent (bicubic)",
    "Latent (bicubic antialiased)",
    "Latent (nearest)",
    "Latent (nearest-exact)",
)
"""A1111's names of the upscalers of latents (modules/shared_items.py)."""

_GROUP = "Hires"
_LONGEST_NAME = 4000


def _upscaler_name(name: str) -> str | None:
    """Return an upscaler of latents by its own spelling, other names as they are."""
    plain = " ".join(name.split())
    known = {each.casefold(): each for each in LATENT_UPSCALERS}
    return known.get(plain.casefold(), plain) or None


@dataclass(frozen=True)
class HiresSize:
    """The sizes of a second pass, in pixels; multiples of the model's."""

    scaled: tuple[int, int]
    """What the first pass's pictures are enlarged to."""
    cropped: tuple[int, int]
    """How much of that is cut off, at both sides together."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the finished picture."""
        return self.scaled[0] - self.cropped[0], self.scaled[1] - self.cropped[1]

    def reduced(self, width: int, height: int, share: float, multiple: int) -> HiresSize:
        """Return the sizes for a share, 0 to 1, of the enlargement of `width` x `height` pixels."""
        first = width, height
        scaled = (
            a + _floor(int((b - a) * share), multiple)
            for a, b in zip(first, self.scaled, strict=True)
        )
        cropped = (_floor(int(each * share), multiple) for each in self.cropped)
        return HiresSize(_pair(scaled), _pair(cropped))


@dataclass(frozen=True)
class Hires(Section):
    """The second pass. What is left open is that of the first one."""

    scale: Annotated[
        float,
        FieldSpec(
            name="hires_scale",
            label="Hires scale",
            help="Make the picture again at this many times its size, from an enlargement of the"
            " small one (hires fix).",
            group=_GROUP,
            flags=("--hires",),
            metavar="FACTOR",
            chip="hires ×{}",
            letter="h",
            open_text="off",
            ge=1,
            le=8,
            step=0.25,
            a1111="hr_scale",
            openai="hires_scale",
            search=("hires",),
            infotext="Hires upscale",
            aliases=("hires upscale", "hires scale"),
        ),
    ]
    width: Annotated[
        int | None,
        FieldSpec(
            name="hires_width",
            label="Hires width",
            help="The width of the finished picture, in place of the scale. If only one side is"
            " given, the other one follows; with both, what is too much is cut off.",
            group=_GROUP,
            open_text="by the scale",
            ge=64,
            le=LARGEST_HIRES_SIDE,
            multiple_of=8,
            step=64,
            a1111="hr_resize_x",
            openai="hires_width",
        ),
    ] = None
    height: Annotated[
        int | None,
        FieldSpec(
            name="hires_height",
            label="Hires height",
            help="The same for the height.",
            group=_GROUP,
            open_text="by the scale",
            ge=64,
            le=LARGEST_HIRES_SIDE,
            multiple_of=8,
            step=64,
            a1111="hr_resize_y",
            openai="hires_height",
        ),
    ] = None
    upscaler: Annotated[
        str | None,
        FieldSpec(
            name="hires_upscaler",
            label="Hires upscaler",
            widget="names",
            help='How the small picture is enlarged: "Latent" and its variants, or an upscaler of'
            " pictures. Latents need a strength of 0.5 or more, or the picture is blurred.",
            group=_GROUP,
            check=_upscaler_name,
            max_length=_LONGEST_NAME,
            metavar="NAME",
            open_text="Latent, or Lanczos",
            a1111="hr_upscaler",
            openai="hires_upscaler",
            native=True,
            infotext="Hires upscaler",
            search=("hires_upscaler",),
            aliases=("hires upscaler",),
        ),
    ] = None
    steps: Annotated[
        int | None,
        replace(
            STEPS,
            name="hires_steps",
            label="Hires steps",
            help="Steps of the second pass. All of them are run, whatever the strength.",
            group=_GROUP,
            open_text="the same",
            a1111="hr_second_pass_steps",
            openai="hires_steps",
            native=True,
            search=("hires_steps",),
            infotext="Hires steps",
            aliases=("hires steps",),
        ),
    ] = None
    strength: Annotated[
        float | None,
        replace(
            STRENGTH,
            name="hires_strength",
            label="Hires strength",
            help="How much of the enlarged picture is made anew, 0 to 1 (0.7 where it is left"
            " open).",
            group=_GROUP,
            open_text=f"{DEFAULT_HIRES_STRENGTH:g}",
            openai="hires_strength",
            native=True,
            search=("hires_strength",),
            infotext="Hires strength",
        ),
    ] = None
    prompt: Annotated[
        str,
        replace(
            PROMPT,
            name="hires_prompt",
            label="Hires prompt",
            help="Another prompt for the second pass.",
            group=_GROUP,
            open_text="the same",
            a1111="hr_prompt",
            openai="hires_prompt",
            infotext="Hires prompt",
            aliases=("hires prompt",),
        ),
    ] = ""
    negative_prompt: Annotated[
        str,
        replace(
            PROMPT,
            name="hires_negative_prompt",
            label="Hires negative prompt",
            form_label="Hires negative",
            help="Another negative prompt for the second pass.",
            group=_GROUP,
            open_text="the same",
            flags=("--hires-negative",),
            a1111="hr_negative_prompt",
            openai="hires_negative_prompt",
            infotext="Hires negative prompt",
            aliases=("hires negative prompt",),
        ),
    ] = ""
    sampler: Annotated[
        str | None,
        replace(
            SAMPLER,
            name="hires_sampler",
            label="Hires sampler",
            help="Another sampler for the second pass.",
            group=_GROUP,
            open_text="the same",
            openai="hires_sampler",
        ),
    ] = None
    guidance_scale: Annotated[
        float | None,
        replace(
            GUIDANCE_SCALE,
            name="hires_guidance_scale",
            label="Hires CFG scale",
            help="Another CFG scale for the second pass.",
            group=_GROUP,
            flags=("--hires-cfg",),
            open_text="the same",
            a1111="hr_cfg",
            openai="hires_guidance_scale",
            infotext="Hires CFG Scale",
            aliases=("hires cfg scale",),
        ),
    ] = None

    model: Annotated[
        str | None,
        FieldSpec(
            name="hires_model",
            label="Hires model",
            help="Another model of the same family for the second pass. All pictures of a job"
            " complete the first pass before it is loaded.",
            group=_GROUP,
            min_length=1,
            max_length=_LONGEST_NAME,
            metavar="MODEL",
            open_text="the same",
            openai="hires_model",
            infotext="Hires checkpoint",
            aliases=("hires checkpoint",),
        ),
    ] = None

    def enlarged(self, width: int, height: int, multiple: int) -> HiresSize:
        """Return the sizes for a first pass of `width` x `height` pixels.

        With both sides given, the picture is enlarged until it covers them, then cropped
        (`calculate_target_resolution` in A1111's modules/processing.py).
        """
        wide, high = self.width, self.height
        if wide is None and high is None:
            scaled = int(width * self.scale), int(height * self.scale)
        elif high is None or (wide is not None and width / height < wide / high):
            assert wide is not None
            scaled = wide, wide * height // width
        else:
            scaled = high * width // height, high
        cropped = 0, 0
        if wide is not None and high is not None:
            cropped = _floor(scaled[0] - wide, multiple), _floor(scaled[1] - high, multiple)
        return HiresSize((_floor(scaled[0], multiple), _floor(scaled[1], multiple)), cropped)


def _pair(sides: Iterable[int]) -> tuple[int, int]:
    width, height = sides
    return width, height


def _floor(length: int, multiple: int) -> int:
    return length // multiple * multiple
