"""Image-to-image: a picture to start from instead of pure noise."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from sdtui.core.enums import ImageFit, InpaintFill
from sdtui.core.fields import FieldSpec, Section
from sdtui.core.text import named_in_utf8
from sdtui.requests.sections.pass_fields import STRENGTH

DEFAULT_STRENGTH = 0.75
"""Denoising strength when an init image comes without one; the value of A1111."""


def default_strength(*, outpaint: object, fill: object) -> float:
    """Return the denoising strength of a request that leaves it open; `outpaint` and `fill` are its
    values. Where there is no original, everything is made anew."""
    has_no_original = outpaint or fill in (InpaintFill.NOISE, InpaintFill.NOTHING)
    return 1.0 if has_no_original else DEFAULT_STRENGTH


@dataclass(frozen=True)
class ImageToImage(Section):
    """What to start from, and how much of it to keep."""

    image: Annotated[
        Path,
        FieldSpec(
            name="init_image",
            label="Init image",
            help="A picture to start from (image-to-image).",
            group="Start from",
            chip="from {}",
            letter="i",
            check=named_in_utf8,
            open_text="none",
        ),
    ]
    fit: Annotated[
        ImageFit,
        FieldSpec(
            name="init_image_fit",
            label="Fit",
            help="Crop, pad or stretch an init image of another shape.",
            group="Start from",
            flags=("--fit",),
        ),
    ] = ImageFit.CROP
    strength: Annotated[
        float | None,
        replace(
            STRENGTH,
            label="Denoising strength",
            form_label="Strength",
            help="How much of the init image is made anew, 0 to 1. Left open, it is 0.75, or 1 for"
            " what has no original: with outpaint, and with noise or nothing as the masked"
            " content.",
            group="Start from",
            chip=" @{}",
            joins_chip=True,
            letter="x",
            open_text=f"{DEFAULT_STRENGTH:g}",
            a1111="denoising_strength",
            openai="strength",
            search=("strength",),
            infotext="Denoising strength",
            aliases=("strength", "denoising strength"),
        ),
    ] = None
    keep_size: Annotated[
        bool | None,
        FieldSpec(
            label="Keep size",
            help="With a mask or outpaint: the picture keeps its own size, and width and height are"
            " those that the model works in. Left open, it does if they are left open.",
            group="Start from",
            openai="keep_size",
        ),
    ] = None
    noise_multiplier: Annotated[
        float,
        FieldSpec(
            label="Noise multiplier",
            help="How much noise is added to the init image: less than 1 keeps it smoother, more"
            " adds detail.",
            group="Start from",
            ge=0,
            le=1.5,
            step=0.05,
            a1111="initial_noise_multiplier",
            openai="noise_multiplier",
            infotext="Noise multiplier",
            aliases=("noise multiplier",),
        ),
    ] = 1.0
