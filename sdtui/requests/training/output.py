"""What a training writes, and how it is carried out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from sdtui.core.enums import DType
from sdtui.core.fields import FieldSpec, Section

_OUTPUT, _MACHINE = "Output", "Machine"
_EIGHT_TIMES = "none = about eight times a training, at a round number of steps, at least 10"


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
        int | None,
        FieldSpec(
            label="Checkpoint every",
            help="Steps between checkpoints, from which a training that was interrupted goes on;"
            f" {_EIGHT_TIMES}.",
            group=_OUTPUT,
            flags=("--checkpoint-every",),
            ge=1,
            le=1_000_000,
            step=50,
            first_step=250,
            open_text="by steps",
        ),
    ] = None
    validation_prompts: Annotated[
        tuple[str, ...],
        FieldSpec(
            label="Sample prompts",
            help="Pictures to make during the training, always with the same seeds; may be"
            " repeated.",
            group=_OUTPUT,
            flags=("--sample",),
            metavar="PROMPT",
            item_separator=";",
            open_text="none; several with ; between them",
        ),
    ] = ()
    validation_steps: Annotated[
        int | None,
        FieldSpec(
            label="Samples every",
            help=f"Steps between samples; {_EIGHT_TIMES}.",
            group=_OUTPUT,
            flags=("--sample-every",),
            ge=1,
            le=1_000_000,
            step=50,
            first_step=250,
            open_text="by steps",
        ),
    ] = None


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
    num_processes: Annotated[
        int,
        FieldSpec(
            label="Processes",
            help="GPUs that share each batch, one process each. The LoRA is the same as with one.",
            group=_MACHINE,
            flags=("--processes",),
            ge=1,
            le=64,
        ),
    ] = 1
