"""The pictures of a training and their captions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from sdtui.core.fields import FieldSpec, Section

_GROUP = "Pictures"


@dataclass(frozen=True)
class TrainingData(Section):
    """The pictures and their captions."""

    resolution: Annotated[
        int | None,
        FieldSpec(
            label="Resolution",
            help="Pictures are scaled to the area of a square with this side, in pixels; none = the"
            " model's native size.",
            group=_GROUP,
            ge=64,
            le=2048,
            multiple_of=8,
            step=64,
            first_step=512,
            open_text="the model's",
        ),
    ] = None
    enable_bucket: Annotated[
        bool,
        FieldSpec(
            label="Aspect buckets",
            help="Keep the shapes of pictures; else all are cropped to squares.",
            group=_GROUP,
            flags=("--buckets/--no-buckets",),
        ),
    ] = True
    random_flip: Annotated[
        bool,
        FieldSpec(
            label="Flip",
            help="Show half of the pictures mirrored. Not for faces and text.",
            group=_GROUP,
            flags=("--flip/--no-flip",),
        ),
    ] = False
    instance_prompt: Annotated[
        str,
        FieldSpec(
            label="Caption",
            help="The caption of pictures that have none; else the words in their folder's name.",
            group=_GROUP,
            flags=("--caption",),
            max_length=1000,
            open_text="the folder's words",
        ),
    ] = ""
    shuffle_caption: Annotated[
        bool,
        FieldSpec(
            label="Shuffle tags",
            help="Shuffle the parts of a caption between commas, each time.",
            group=_GROUP,
            flags=("--shuffle/--no-shuffle",),
        ),
    ] = False
    keep_tokens: Annotated[
        int,
        FieldSpec(
            label="Keep tags",
            help="How many parts stay in front when the others are shuffled.",
            group=_GROUP,
            ge=0,
            le=255,
        ),
    ] = 1
    caption_dropout_rate: Annotated[
        float,
        FieldSpec(
            label="Caption dropout",
            help="How often a picture is shown without its caption, 0 to 1.",
            group=_GROUP,
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
            group=_GROUP,
            flags=("--class-folder",),
            open_text="none",
        ),
    ] = None
    class_prompt: Annotated[
        str,
        FieldSpec(
            label="Class prompt",
            help='What the class pictures show, such as "a photo of a dog". Alternatives and'
            " wildcards make different ones: a {@dog|cat} on a {red|blue} background.",
            group=_GROUP,
            max_length=1000,
            open_text="none",
        ),
    ] = ""
    num_class_images: Annotated[
        int,
        FieldSpec(
            label="Number of class pictures",
            help="How many there have to be; those that are missing are made at the start.",
            group=_GROUP,
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
            group=_GROUP,
            flags=("--class-weight",),
            ge=0,
            le=10,
            step=0.1,
        ),
    ] = 1.0
