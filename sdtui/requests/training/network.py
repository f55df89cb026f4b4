"""The shape of a LoRA that is trained."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from sdtui.core.fields import FieldSpec, Section

_GROUP = "Network"


class LoraTargets(StrEnum):
    """Which layers of the U-Net a LoRA changes."""

    ATTENTION = "attention"
    """Query, key, value and output of the attentions."""
    LINEAR = "linear"
    """All linear layers and 1 x 1 convolutions of the transformer blocks, as kohya's scripts."""
    CONV = "conv"
    """Also the convolutions of the residual blocks (LoCon)."""


@dataclass(frozen=True)
class Network(Section):
    """The LoRA's shape."""

    rank: Annotated[
        int,
        FieldSpec(
            label="Rank",
            help="The inner size of the LoRA: more learns more details and takes more memory.",
            group=_GROUP,
            ge=1,
            le=512,
        ),
    ] = 16
    lora_alpha: Annotated[
        float | None,
        FieldSpec(
            label="Alpha",
            help="The LoRA counts alpha / rank times; none = the rank.",
            group=_GROUP,
            flags=("--alpha",),
            ge=0.01,
            le=1024,
            first_step=16,
            open_text="the rank",
        ),
    ] = None
    targets: Annotated[
        LoraTargets,
        FieldSpec(
            label="Layers",
            help="Which layers are changed: those of attention, all linear ones of the transformer"
            " blocks (as kohya's scripts), or convolutions too.",
            group=_GROUP,
        ),
    ] = LoraTargets.LINEAR
    train_text_encoder: Annotated[
        bool,
        FieldSpec(
            label="Train text encoder",
            help="Change the text encoders as well.",
            group=_GROUP,
        ),
    ] = False
