"""TrainingRequest: the input of a training of a LoRA.

A field is defined here and nowhere else: flags and error messages are derived from
`TRAINING_FIELDS`. The names are those of diffusers' training scripts, and of kohya's where
diffusers has none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Self

from sdtui.core.enums import POCKET, DType
from sdtui.core.fields import FieldSpec, Section
from sdtui.requests.field_table import FieldTable, fields_of
from sdtui.requests.request import MAX_SEED

_DATA, _NETWORK, _OPTIMIZER, _OUTPUT, _MACHINE = (
    *("Pictures", "Network", "Optimizer", "Output", "Machine"),
)

_FORBIDDEN_IN_NAMES = frozenset('/\\:<>,|?*"')
"""Characters that some file systems, or the tag <lora:NAME:WEIGHT> in prompts, don't take."""


def _file_name(name: str) -> str:
    """Return a name without blanks around it. Raises ValueError if it can't name a file."""
    plain = name.strip()
    if not plain or plain.startswith(".") or not plain.isprintable():
        raise ValueError("must be the name of a file, without a dot in front")
    if found := _FORBIDDEN_IN_NAMES.intersection(plain):
        raise ValueError(f"must not have {min(found)} in it")
    return plain


class LoraTargets(StrEnum):
    """Which layers of the U-Net a LoRA changes."""

    ATTENTION = "attention"
    """Query, key, value and output of the attentions."""
    LINEAR = "linear"
    """All linear layers and 1 x 1 convolutions of the transformer blocks, as kohya's scripts."""
    CONV = "conv"
    """Also the convolutions of the residual blocks (LoCon)."""


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
class TrainingData(Section):
    """The pictures and their captions."""

    resolution: Annotated[
        int | None,
        FieldSpec(
            label="Resolution",
            help="Pictures are scaled to the area of a square with this side, in pixels; none = the"
            " model's native size.",
            group=_DATA,
            ge=64,
            le=2048,
            multiple_of=8,
            step=64,
            open_text="the model's",
        ),
    ] = None
    enable_bucket: Annotated[
        bool,
        FieldSpec(
            label="Aspect buckets",
            help="Keep the shapes of pictures; else all are cropped to squares.",
            group=_DATA,
            flags=("--buckets/--no-buckets",),
        ),
    ] = True
    random_flip: Annotated[
        bool,
        FieldSpec(
            label="Flip",
            help="Show half of the pictures mirrored. Not for faces and text.",
            group=_DATA,
            flags=("--flip/--no-flip",),
        ),
    ] = False
    instance_prompt: Annotated[
        str,
        FieldSpec(
            label="Caption",
            help="The caption of pictures that have none; else the words in their folder's name.",
            group=_DATA,
            flags=("--caption",),
            max_length=1000,
        ),
    ] = ""
    shuffle_caption: Annotated[
        bool,
        FieldSpec(
            label="Shuffle tags",
            help="Shuffle the parts of a caption between commas, each time.",
            group=_DATA,
            flags=("--shuffle/--no-shuffle",),
        ),
    ] = False
    keep_tokens: Annotated[
        int,
        FieldSpec(
            label="Keep tags",
            help="How many parts stay in front when the others are shuffled.",
            group=_DATA,
            ge=0,
            le=255,
        ),
    ] = 1
    caption_dropout_rate: Annotated[
        float,
        FieldSpec(
            label="Caption dropout",
            help="How often a picture is shown without its caption, 0 to 1.",
            group=_DATA,
            flags=("--caption-dropout",),
            ge=0,
            le=1,
            step=0.05,
        ),
    ] = 0.0
    class_data_dir: Annotated[
        Path | None,
        FieldSpec(
            label="Class pictures",
            help="A folder of pictures of the same class that the model must not forget (prior"
            " preservation). Missing ones are made with the class prompt.",
            group=_DATA,
            flags=("--class-folder",),
            open_text="none",
        ),
    ] = None
    class_prompt: Annotated[
        str,
        FieldSpec(
            label="Class prompt",
            help='What the class pictures show, such as "a photo of a dog".',
            group=_DATA,
            max_length=1000,
        ),
    ] = ""
    num_class_images: Annotated[
        int,
        FieldSpec(
            label="Number of class pictures",
            help="How many there have to be; those that are missing are made at the start.",
            group=_DATA,
            flags=("--class-pictures",),
            ge=1,
            le=10_000,
        ),
    ] = 100
    prior_loss_weight: Annotated[
        float,
        FieldSpec(
            label="Class weight",
            help="How much the class pictures count.",
            group=_DATA,
            flags=("--class-weight",),
            ge=0,
            le=10,
            step=0.1,
        ),
    ] = 1.0


@dataclass(frozen=True)
class Network(Section):
    """The LoRA's shape."""

    rank: Annotated[
        int,
        FieldSpec(
            label="Rank",
            help="The inner size of the LoRA: more learns more details and takes more memory.",
            group=_NETWORK,
            ge=1,
            le=512,
        ),
    ] = 16
    lora_alpha: Annotated[
        float | None,
        FieldSpec(
            label="Alpha",
            help="The LoRA counts alpha / rank times; none = the rank.",
            group=_NETWORK,
            flags=("--alpha",),
            ge=0.01,
            le=1024,
            open_text="the rank",
        ),
    ] = None
    targets: Annotated[
        LoraTargets,
        FieldSpec(
            label="Layers",
            help="Which layers are changed: those of attention, all linear ones of the transformer"
            " blocks (as kohya's scripts), or convolutions too.",
            group=_NETWORK,
        ),
    ] = LoraTargets.LINEAR
    train_text_encoder: Annotated[
        bool,
        FieldSpec(
            label="Train text encoder",
            help="Change the text encoders as well.",
            group=_NETWORK,
            flags=("--text-encoder/--no-text-encoder",),
        ),
    ] = False


@dataclass(frozen=True)
class Optimization(Section):
    """How the weights are found."""

    max_train_steps: Annotated[
        int | None,
        FieldSpec(
            label="Steps",
            help="Changes of the weights; none = 100 for each picture, 500 to 2000.",
            group=_OPTIMIZER,
            flags=("--steps",),
            ge=1,
            le=1_000_000,
            open_text="by pictures",
        ),
    ] = None
    train_batch_size: Annotated[
        int,
        FieldSpec(
            label="Batch",
            help="Pictures of a step. They are computed in pieces where memory is short.",
            group=_OPTIMIZER,
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
            group=_OPTIMIZER,
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
            group=_OPTIMIZER,
        ),
    ] = Optimizer.AUTO
    learning_rate: Annotated[
        float | None,
        FieldSpec(
            label="Learning rate",
            help="How far a step goes; none = 1e-4, of Prodigy 1.",
            group=_OPTIMIZER,
            flags=("--lr",),
            ge=1e-9,
            le=10,
            open_text="the optimizer's",
        ),
    ] = None
    text_encoder_lr: Annotated[
        float | None,
        FieldSpec(
            label="Text encoder rate",
            help="The learning rate of text encoders; none = half of the other one.",
            group=_OPTIMIZER,
            ge=1e-9,
            le=10,
            open_text="half",
        ),
    ] = None
    lr_scheduler: Annotated[
        LearningRateSchedule,
        FieldSpec(
            label="Schedule",
            help="How the learning rate falls to the end.",
            group=_OPTIMIZER,
        ),
    ] = LearningRateSchedule.COSINE
    lr_warmup_steps: Annotated[
        int,
        FieldSpec(
            label="Warm-up",
            help="Steps in which the learning rate rises from 0.",
            group=_OPTIMIZER,
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
            group=_OPTIMIZER,
            flags=("--min-snr",),
            ge=0.1,
            le=100,
            open_text="off",
        ),
    ] = 5.0
    noise_offset: Annotated[
        float,
        FieldSpec(
            label="Noise offset",
            help="Noise that is the same for a whole picture: for dark and bright ones.",
            group=_OPTIMIZER,
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
            group=_OPTIMIZER,
            ge=0,
            le=1000,
        ),
    ] = 1.0


@dataclass(frozen=True)
class TrainingOutput(Section):
    """What is written, and when."""

    output_dir: Annotated[
        Path | None,
        FieldSpec(
            label="Folder",
            help="Where the LoRA is written; none = the first folder of LoRAs.",
            group=_OUTPUT,
            flags=("--out",),
            open_text="the LoRAs' folder",
        ),
    ] = None
    checkpointing_steps: Annotated[
        int,
        FieldSpec(
            label="Checkpoint every",
            help="Steps between checkpoints, from which a training that was interrupted goes on.",
            group=_OUTPUT,
            flags=("--checkpoint-every",),
            ge=1,
            le=1_000_000,
        ),
    ] = 250
    validation_prompts: Annotated[
        tuple[str, ...],
        FieldSpec(
            label="Sample prompts",
            help="Pictures to make during the training, always with the same seeds; may be"
            " repeated.",
            group=_OUTPUT,
            flags=("--sample",),
            metavar="PROMPT",
        ),
    ] = ()
    validation_steps: Annotated[
        int,
        FieldSpec(
            label="Samples every",
            help="Steps between samples.",
            group=_OUTPUT,
            flags=("--sample-every",),
            ge=1,
            le=1_000_000,
        ),
    ] = 250


@dataclass(frozen=True)
class TrainingExecution(Section):
    """Memory and precision."""

    dtype: Annotated[
        DType,
        FieldSpec(
            label="Precision",
            help="Number format of the model; the LoRA itself is trained in float32. auto ="
            " bfloat16 on GPUs, float32 on CPUs.",
            group=_MACHINE,
        ),
    ] = DType.AUTO
    gradient_checkpointing: Annotated[
        bool | None,
        FieldSpec(
            label="Gradient checkpointing",
            help="Compute parts of the model twice and hold less in memory; none = where memory is"
            " short.",
            group=_MACHINE,
            flags=("--checkpointing/--no-checkpointing",),
            open_text="by memory",
        ),
    ] = None


@dataclass(frozen=True)
class TrainingRequest(Section):
    """A user's request of a training. Fields that are None are chosen when the model and the
    pictures are known (see `sdtui.training.plan`).

    Use `TrainingRequest.parse` for values from users or programs: the constructor checks nothing.
    """

    instance_data_dir: Annotated[
        Path,
        FieldSpec(
            label="Pictures",
            help="A folder of pictures with captions in .txt files, or of folders such as"
            " 10_name, in which each picture counts ten times an epoch.",
            group=_DATA,
            flags=("--folder",),
        ),
    ]
    output_name: Annotated[
        str,
        FieldSpec(
            label="Name",
            help="The name of the LoRA.",
            group=_OUTPUT,
            flags=("--name",),
            min_length=1,
            max_length=100,
            check=_file_name,
        ),
    ]
    model: Annotated[
        str,
        FieldSpec(
            label="Model",
            help="The model that learns: Stable Diffusion 1, 2 or XL, or pocket.",
            group=_NETWORK,
            flags=("--model", "-m"),
            min_length=1,
        ),
    ] = POCKET
    seed: Annotated[
        int,
        FieldSpec(
            label="Seed",
            help="Decides noise, order and shuffling.",
            group=_OPTIMIZER,
            ge=0,
            le=MAX_SEED,
        ),
    ] = 0
    data: TrainingData = TrainingData()
    network: Network = Network()
    optimization: Optimization = Optimization()
    output: TrainingOutput = TrainingOutput()
    execution: TrainingExecution = TrainingExecution()

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> Self:
        """Make a request from loose values, flat or in sections.

        Raises InvalidRequestError that names every wrong field, its value and its limit.
        """
        from sdtui.requests.validation import validate

        return validate(cls, TRAINING_FIELDS, values)

    @property
    def alpha(self) -> float:
        """The LoRA's alpha: as asked for, or the rank."""
        return float(self.network.lora_alpha or self.network.rank)


TRAINING_FIELDS: FieldTable = fields_of(TrainingRequest)
"""All fields of a request, by unique name."""
