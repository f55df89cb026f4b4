"""How the weights of a LoRA are found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from sdtui.core.fields import FieldSpec, Section

_GROUP = "Optimizer"


class Optimizer(StrEnum):
    """How gradients change the weights."""

    AUTO = "auto"
    ADAMW = "adamw"
    ADAMW_8BIT = "adamw8bit"
    PRODIGY = "prodigy"
    ADAFACTOR = "adafactor"


class LearningRateSchedule(StrEnum):
    """How the learning rate changes during the training; diffusers' names."""

    CONSTANT = "constant"
    LINEAR = "linear"
    COSINE = "cosine"


@dataclass(frozen=True)
class Optimization(Section):
    """How the weights are found."""

    max_train_steps: Annotated[
        int | None,
        FieldSpec(
            label="Steps",
            help="Changes of the weights; none = the model's own number, as pocket has, else 100 a"
            " picture, 500 to 2000.",
            group=_GROUP,
            flags=("--steps",),
            ge=1,
            le=1_000_000,
            step=100,
            first_step=1000,
            open_text="by pictures",
        ),
    ] = None
    train_batch_size: Annotated[
        int,
        FieldSpec(
            label="Batch",
            help="Pictures of a step. They are computed in pieces where memory is short.",
            group=_GROUP,
            flags=("--batch",),
            ge=1,
            le=256,
        ),
    ] = 1
    gradient_accumulation_steps: Annotated[
        int,
        FieldSpec(
            label="Accumulation",
            help="Batches for each change of the weights.",
            group=_GROUP,
            flags=("--accumulate",),
            ge=1,
            le=256,
        ),
    ] = 1
    optimizer: Annotated[
        Optimizer,
        FieldSpec(
            label="Optimizer",
            help="auto = AdamW with 8 bits where bitsandbytes is installed and the device is a GPU,"
            " else AdamW. Prodigy finds the learning rate by itself.",
            group=_GROUP,
        ),
    ] = Optimizer.AUTO
    learning_rate: Annotated[
        float | None,
        FieldSpec(
            label="Learning rate",
            help="How far a step goes; none = the model's own, as pocket has, else 1e-4, of Prodigy"
            " 1.",
            group=_GROUP,
            flags=("--lr",),
            ge=1e-9,
            le=10,
            step=1e-5,
            first_step=1e-4,
            open_text="the usual one",
        ),
    ] = None
    text_encoder_lr: Annotated[
        float | None,
        FieldSpec(
            label="Text encoder rate",
            help="The learning rate of text encoders; none = half of the other one.",
            group=_GROUP,
            ge=1e-9,
            le=10,
            step=1e-5,
            first_step=5e-5,
            open_text="half",
        ),
    ] = None
    lr_scheduler: Annotated[
        LearningRateSchedule,
        FieldSpec(
            label="Schedule",
            help="How the learning rate falls to the end.",
            group=_GROUP,
        ),
    ] = LearningRateSchedule.COSINE
    lr_warmup_steps: Annotated[
        int,
        FieldSpec(
            label="Warm-up",
            help="Steps in which the learning rate rises from 0.",
            group=_GROUP,
            flags=("--warmup",),
            ge=0,
            le=100_000,
        ),
    ] = 0
    snr_gamma: Annotated[
        float | None,
        FieldSpec(
            label="Min-SNR",
            help="Steps with little noise count less, from this signal-to-noise ratio on; none ="
            " all count the same.",
            group=_GROUP,
            flags=("--min-snr",),
            ge=0.1,
            le=100,
            first_step=5,
            open_text="off",
        ),
    ] = 5.0
    noise_offset: Annotated[
        float,
        FieldSpec(
            label="Noise offset",
            help="Noise that is the same for a whole picture: for dark and bright ones.",
            group=_GROUP,
            ge=0,
            le=1,
            step=0.01,
        ),
    ] = 0.0
    max_grad_norm: Annotated[
        float,
        FieldSpec(
            label="Gradient limit",
            help="Larger gradients are scaled to this norm; 0 = no limit.",
            group=_GROUP,
            ge=0,
            le=1000,
        ),
    ] = 1.0
