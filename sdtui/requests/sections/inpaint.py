"""Inpainting: only a part of the init image is made anew."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from sdtui.core.enums import InpaintFill
from sdtui.core.fields import FieldSpec, Section
from sdtui.core.text import named_in_utf8

ALPHA = "alpha"
"""In place of a mask's file: the transparent part of the init image."""

_GROUP = "Inpainting"


@dataclass(frozen=True)
class Inpaint(Section):
    """What is made anew, and how (modules/processing.py of A1111)."""

    mask: Annotated[
        Path,
        FieldSpec(
            name="mask_image",
            label="Mask",
            help="A picture that says what is repainted: white is, black is kept, grey is mixed."
            ' Of a picture with transparency, what is painted. "alpha" = the transparent part of'
            " the init image.",
            group=_GROUP,
            needs="init_image",
            flags=("--mask",),
            chip="mask {}",
            chip_short="mask",
            letter="k",
            check=named_in_utf8,
            words=(ALPHA,),
            open_text="none",
        ),
    ]
    blur: Annotated[
        int,
        FieldSpec(
            name="mask_blur",
            label="Mask blur",
            help="How softly the repainted part goes over into the rest, in pixels.",
            group=_GROUP,
            chip_short="blur {}",
            ge=0,
            le=64,
            a1111="mask_blur",
            openai="mask_blur",
            search=("mask_blur",),
            infotext="Mask blur",
            aliases=("mask blur",),
        ),
    ] = 4
    invert: Annotated[
        bool,
        FieldSpec(
            name="mask_invert",
            label="Invert the mask",
            form_label="Invert",
            chip_short="inverted",
            help="Repaint what the mask keeps, and keep the rest.",
            group=_GROUP,
            a1111="inpainting_mask_invert",
            a1111_names={True: "Inpaint not masked"},
            openai="mask_invert",
            infotext="Mask mode",
        ),
    ] = False
    only_masked: Annotated[
        bool,
        FieldSpec(
            label="Only masked",
            chip_short="only masked",
            help="Work on the part of the picture around the mask alone, in all of width and"
            " height: small parts get more detail, and the picture keeps its own size.",
            group=_GROUP,
            a1111="inpaint_full_res",
            a1111_names={True: "Only masked"},
            openai="only_masked",
            search=("only_masked",),
            infotext="Inpaint area",
        ),
    ] = False
    padding: Annotated[
        int,
        FieldSpec(
            name="masked_padding",
            label="Padding",
            chip_short="pad {}",
            help="How much of the picture around the mask the model sees with only masked, in"
            " pixels of the picture.",
            group=_GROUP,
            ge=0,
            le=512,
            step=8,
            a1111="inpaint_full_res_padding",
            openai="masked_padding",
            infotext="Masked area padding",
            aliases=("masked area padding", "inpaint padding"),
        ),
    ] = 32
    fill: Annotated[
        InpaintFill,
        FieldSpec(
            name="inpaint_fill",
            label="Masked content",
            chip_short="fill {}",
            help="What the masked part holds before it is repainted: the original, the blurred"
            " colours around it, noise, or nothing. The last two need a high strength.",
            group=_GROUP,
            flags=("--fill",),
            a1111_names={
                InpaintFill.NOISE: "latent noise",
                InpaintFill.NOTHING: "latent nothing",
            },
            openai="inpaint_fill",
            search=("fill",),
            infotext="Masked content",
            aliases=("masked content",),
        ),
    ] = InpaintFill.ORIGINAL
    soft: Annotated[
        bool,
        FieldSpec(
            name="soft_inpainting",
            label="Soft inpainting",
            chip_short="soft",
            help="Grey in the mask changes the picture less, as if the strength were lower there"
            " (differential diffusion).",
            group=_GROUP,
            openai="soft_inpainting",
            infotext="Soft inpainting enabled",
            aliases=("soft inpainting enabled",),
        ),
    ] = False
