"""Adapters: small files that change a loaded model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from sdtui.core.enums import UnusableLoras
from sdtui.core.fields import FieldSpec, Section
from sdtui.core.text import shortened

_LONGEST_ENTRY = 1000
"""Characters of a LoRA with its weights."""


def _checked(loras: tuple[str, ...]) -> tuple[str, ...]:
    from sdtui.core.prompt_tags import LoraTextError, parse_lora

    for lora in loras:
        if len(lora) > _LONGEST_ENTRY:
            raise ValueError(f"each must have at most {_LONGEST_ENTRY} characters")
        try:
            parse_lora(lora)
        except LoraTextError as error:
            raise ValueError(f'"{shortened(lora)}" {error}') from error
    return loras


@dataclass(frozen=True)
class Adapters(Section):
    """What is added to the model."""

    loras: Annotated[
        tuple[str, ...],
        FieldSpec(
            label="LoRAs",
            help="LoRAs by name or path, each with its weight: film:0.8, or film:0.5:0.8 for text"
            " encoder and denoiser apart. <lora:film:0.8> in the prompt does the same.",
            flags=("--lora",),
            metavar="NAME[:TE[:UNET]]",
            widget="names",
            group="Model",
            chip_short="{}",
            letter="l",
            max_length=64,
            check=_checked,
            open_text="none",
            openai="loras",
        ),
    ] = ()
    unusable_loras: Annotated[
        UnusableLoras,
        FieldSpec(
            label="Unusable LoRAs",
            help="What happens if a LoRA isn't here, can't be read or is made for another family:"
            " refuse = no picture is made; leave_out = it is made without the LoRA, with a notice.",
            group="Model",
        ),
    ] = UnusableLoras.REFUSE
