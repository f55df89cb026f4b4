"""Image-to-image: a picture to start from instead of pure noise."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from sdtui.core.enums import InitImageFit
from sdtui.core.fields import FieldSpec, Section
from sdtui.core.text import is_text

DEFAULT_STRENGTH = 0.75
"""Denoising strength when an init image comes without one; the value of A1111."""


def _is_utf8(path: Path) -> Path:
    if not is_text(str(path)):
        raise ValueError("its name is no valid text (UTF-8): rename it")
    return path


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
            check=_is_utf8,
            open_text="none",
        ),
    ]
    fit: Annotated[
        InitImageFit,
        FieldSpec(
            name="init_image_fit",
            label="Fit",
            help="Crop, pad or stretch an init image of another shape.",
            group="Start from",
            flags=("--fit",),
        ),
    ] = InitImageFit.CROP
    strength: Annotated[
        float | None,
        FieldSpec(
            label="Denoising strength",
            form_label="Strength",
            help="How much of the init image is made anew, 0 to 1 (0.75 where it is left open).",
            group="Start from",
            chip=" @{}",
            joins_chip=True,
            letter="x",
            open_text=f"{DEFAULT_STRENGTH:g}",
            ge=0,
            le=1,
            step=0.05,
            a1111="denoising_strength",
            openai="strength",
            search=("strength",),
            infotext="Denoising strength",
            aliases=("strength", "denoising strength"),
        ),
    ] = None
