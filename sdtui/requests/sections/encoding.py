"""How prompts are encoded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from sdtui.core.fields import FieldSpec, Section


@dataclass(frozen=True)
class Encoding(Section):
    """What the text encoders make of the prompts."""

    clip_skip: Annotated[
        int | None,
        FieldSpec(
            label="Clip skip",
            help="The layer of CLIP that is used, counted from the end: 1 = the last, 2 = the one"
            " before; none = the model's own.",
            ge=1,
            le=12,
            a1111_option="CLIP_stop_at_last_layers",
            openai="clip_skip",
            search=("clip_skip",),
            infotext="Clip skip",
            aliases=("clip skip",),
            native=True,
        ),
    ] = None
