"""Upscaling: a picture that is made larger after it is finished."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, NamedTuple

from sdtui.core.fields import FieldSpec, Section
from sdtui.core.upscaler_names import known_spelling

LARGEST_UPSCALED_SIDE = 16_384
"""Pixels; a WebP picture has one less."""

LARGEST_UPSCALED_PIXELS = 89_000_000
"""Width times height: what programs that use Pillow, such as this one, open without objection."""

_LARGEST_FACTOR = 8
_LONGEST_NAME = 4000

DEFAULT_VISIBILITY = 0.5
"""Of the second upscaler, where it comes without one."""


class UpscaledSize(NamedTuple):
    """The size of an upscaled picture."""

    width: int
    height: int
    crop_width: int
    """What is kept of it, about its centre."""
    crop_height: int


@dataclass(frozen=True)
class Upscale(Section):
    """How much larger a picture is made, and with what."""

    factor: Annotated[
        float | None,
        FieldSpec(
            name="upscale_factor",
            label="Upscale by",
            help="Make the finished picture larger by this factor.",
            group="Upscale",
            flags=("--upscale",),
            ge=1,
            le=_LARGEST_FACTOR,
            step=0.5,
            open_text="off",
            openai="upscale_factor",
            search=("upscale",),
            infotext="Postprocess upscale by",
        ),
    ] = None
    width: Annotated[
        int | None,
        FieldSpec(
            name="upscale_width",
            label="Upscale to width",
            help="Make it this wide instead, in pixels; with a height, what is beyond is cut off.",
            group="Upscale",
            ge=1,
            le=LARGEST_UPSCALED_SIDE,
            step=64,
            open_text="off",
            openai="upscale_width",
        ),
    ] = None
    height: Annotated[
        int | None,
        FieldSpec(
            name="upscale_height",
            label="Upscale to height",
            help="Make it this high instead, in pixels.",
            group="Upscale",
            ge=1,
            le=LARGEST_UPSCALED_SIDE,
            step=64,
            open_text="off",
            openai="upscale_height",
        ),
    ] = None
    crop: Annotated[
        bool,
        FieldSpec(
            name="upscale_crop",
            label="Crop",
            help="Cut off what is beyond width and height, where both are given.",
            group="Upscale",
        ),
    ] = True
    upscaler: Annotated[
        str | None,
        FieldSpec(
            label="Upscaler",
            widget="names",
            help="The name of an upscaler or its .safetensors file; Lanczos where it is left open.",
            flag_help='"sdtui models --kind upscaler" lists them.',
            metavar="NAME",
            group="Upscale",
            check=known_spelling,
            max_length=_LONGEST_NAME,
            open_text="Lanczos",
            openai="upscaler",
            search=("upscaler",),
            infotext="Postprocess upscaler",
        ),
    ] = None
    second: Annotated[
        str | None,
        FieldSpec(
            name="second_upscaler",
            label="Second upscaler",
            widget="names",
            help="Another upscaler, whose picture is laid over the first one's.",
            metavar="NAME",
            group="Upscale",
            check=known_spelling,
            max_length=_LONGEST_NAME,
            open_text="none",
            openai="second_upscaler",
            infotext="Postprocess upscaler 2",
        ),
    ] = None
    visibility: Annotated[
        float | None,
        FieldSpec(
            name="second_upscaler_visibility",
            label="Visibility",
            help="How much of the second upscaler's picture is seen, 0 to 1.",
            flags=("--visibility",),
            group="Upscale",
            ge=0,
            le=1,
            step=0.1,
            open_text=f"{DEFAULT_VISIBILITY:g}",
            openai="second_upscaler_visibility",
        ),
    ] = None
    image: Annotated[
        Path | None,
        FieldSpec(
            name="upscale_image",
            label="Upscale picture",
            help="Make this picture larger, instead of a new one.",
            group="Upscale",
            open_text="none",
        ),
    ] = None

    @property
    def is_wanted(self) -> bool:
        """True if a picture is made larger."""
        return any(each is not None for each in (self.factor, self.width, self.height, self.image))

    @property
    def second_visibility(self) -> float:
        """How much of the second upscaler's picture is seen; 0 without one."""
        if self.second is None:
            return 0.0
        return DEFAULT_VISIBILITY if self.visibility is None else self.visibility

    def size_of(self, width: int, height: int) -> UpscaledSize:
        """Return the size that a picture of `width` x `height` pixels gets.

        With width and height, the picture covers both. With one of them or a factor, it keeps its
        proportions. With none, it stays as large as it is. Raises ValueError if it would be too
        large.
        """
        factor = self.factor or 1.0
        wanted = (self.width, self.height)
        if wanted != (None, None):
            factor = max((self.width or 0) / width, (self.height or 0) / height)
        scaled = (max(1, round(width * factor)), max(1, round(height * factor)))
        if None not in wanted:
            scaled = (max(scaled[0], self.width or 0), max(scaled[1], self.height or 0))
        else:
            scaled = (self.width or scaled[0], self.height or scaled[1])
        if max(scaled) > LARGEST_UPSCALED_SIDE:
            raise ValueError(
                f"would make a picture of {scaled[0]}×{scaled[1]} pixels; a side has at most "
                f"{LARGEST_UPSCALED_SIDE}"
            )
        pixels = scaled[0] * scaled[1]
        if pixels > LARGEST_UPSCALED_PIXELS:
            raise ValueError(
                f"would make a picture of {scaled[0]}×{scaled[1]} pixels, {pixels / 1e6:,.0f} "
                f"million; it may have {LARGEST_UPSCALED_PIXELS / 1e6:,.0f} million"
            )
        kept = scaled
        if self.crop and self.width is not None and self.height is not None:
            kept = (self.width, self.height)
        return UpscaledSize(*scaled, *kept)
