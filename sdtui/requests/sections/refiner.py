"""The refiner: another model that takes the last steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from sdtui.core.fields import FieldSpec, Section

DEFAULT_SWITCH_AT = 0.8
"""A1111's."""

_GROUP = "Refiner"
_LONGEST_NAME = 4000


@dataclass(frozen=True)
class Refiner(Section):
    """Which model takes over, and when."""

    model: Annotated[
        str,
        FieldSpec(
            name="refiner",
            label="Refiner",
            help="A model of the SDXL family that takes the last steps: SDXL's refiner, or any"
            " other.",
            group=_GROUP,
            min_length=1,
            max_length=_LONGEST_NAME,
            metavar="MODEL",
            open_text="none",
            openai="refiner",
            infotext="Refiner",
            aliases=("refiner",),
        ),
    ]
    switch_at: Annotated[
        float,
        FieldSpec(
            name="refiner_switch_at",
            label="Refiner switch at",
            help="The share of the noise levels, 0 to 1, after which the refiner takes over.",
            group=_GROUP,
            ge=0.01,
            le=0.99,
            step=0.05,
            a1111="refiner_switch_at",
            openai="refiner_switch_at",
            infotext="Refiner switch at",
            aliases=("refiner switch at",),
        ),
    ] = DEFAULT_SWITCH_AT
