"""Classifier-free guidance, besides its scale."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from sdtui.core.fields import FieldSpec, Section

_GROUP = "Guidance"


@dataclass(frozen=True)
class Guidance(Section):
    """How and when guidance is applied."""

    guidance_rescale: Annotated[
        float,
        FieldSpec(
            label="CFG rescale",
            help="How far the contrast that guidance adds is taken back: 0 = not at all; 0.7 for"
            " models that predict v and were trained down to pure noise.",
            group=_GROUP,
            ge=0,
            le=1,
            step=0.05,
            openai="guidance_rescale",
            search=("guidance_rescale",),
            infotext="CFG rescale",
            aliases=("cfg rescale", "guidance rescale", "cfg rescale phi"),
        ),
    ] = 0.0
    guidance_start: Annotated[
        float,
        FieldSpec(
            label="Guidance start",
            help="The share of the steps, 0 to 1, after which guidance begins. Steps without it"
            " take half the time.",
            group=_GROUP,
            ge=0,
            le=1,
            step=0.05,
            a1111_option="skip_early_cond",
            openai="guidance_start",
            search=("guidance_start",),
            infotext="Skip Early CFG",
            aliases=("skip early cfg", "guidance start"),
        ),
    ] = 0.0
    guidance_end: Annotated[
        float,
        FieldSpec(
            label="Guidance end",
            help="The share of the steps, 0 to 1, after which guidance ends.",
            group=_GROUP,
            ge=0,
            le=1,
            step=0.05,
            openai="guidance_end",
            search=("guidance_end",),
            infotext="Guidance end",
            aliases=("guidance end",),
        ),
    ] = 1.0
