"""How a request is carried out, as opposed to what it asks for."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Annotated

from sdtui.core.enums import DType, MemoryMode, Policy, Quantize, Runtime, Speed
from sdtui.core.fields import FieldSpec, Section
from sdtui.core.settings import Settings


@dataclass(frozen=True)
class Execution(Section):
    """Memory, precision and speed."""

    policy: Annotated[
        Policy,
        FieldSpec(
            label="Retry policy",
            form_label="When memory runs out",
            group="Machine",
            choice_names={
                Policy.KEEP: "keep the picture",
                Policy.STRICT: "change nothing",
                Policy.TUTORIAL: "384 px, then 25 steps",
            },
            help="What may be done when memory runs out: keep = all means, those that keep the"
            " picture first; strict = never change what was asked; tutorial = 384 px, then 25"
            " steps.",
            a1111="policy",
            openai="policy",
        ),
    ] = Policy.KEEP
    memory_mode: Annotated[
        MemoryMode,
        FieldSpec(
            label="Memory mode",
            group="Machine",
            help="Where the weights are during a run; auto = the fastest mode that fits.",
            flags=("--memory",),
        ),
    ] = MemoryMode.AUTO
    dtype: Annotated[
        DType,
        FieldSpec(
            label="Precision",
            group="Machine",
            help="Number format of the weights; auto = what suits the device.",
        ),
    ] = DType.AUTO
    quantize: Annotated[
        Quantize,
        FieldSpec(
            label="Quantize",
            group="Machine",
            help="Store the weights of the denoiser and of large text encoders in fewer bits while"
            " the model is loaded: fp8 and int8 take 8 bits a value, nf4 takes 4; none = all bits."
            " Pictures change a little.",
        ),
    ] = Quantize.NONE
    speed: Annotated[
        Speed,
        FieldSpec(
            label="Speed",
            group="Machine",
            help="What may be given up for speed: quality = nothing, the picture stays as it is;"
            " fast = nearly the same picture; max = all there is, and a minute of compiling"
            " at the start.",
        ),
    ] = Speed.QUALITY
    runtime: Annotated[
        Runtime,
        FieldSpec(
            label="Runtime",
            group="Machine",
            help="What computes Stable Diffusion on a CPU: auto = OpenVINO with the speeds fast and"
            " max, where it is installed, else torch.",
        ),
    ] = Runtime.AUTO


def usual_execution(settings: Settings) -> Execution:
    """Return the execution of requests that leave it to the settings."""
    values = settings.request_defaults()
    return Execution(
        **{each.name: values[each.name] for each in fields(Execution) if each.name in values}
    )
