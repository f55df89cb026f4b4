"""How prompts are encoded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from sdtui.core.enums import Emphasis, PromptSyntax
from sdtui.core.fields import FieldSpec, Section

COMMA_BACKTRACK = 20
"""A1111's default ("Prompt word wrap length limit")."""


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
    prompt_syntax: Annotated[
        PromptSyntax,
        FieldSpec(
            label="Prompt syntax",
            help="What prompts mean: a1111 = (more:1.2), [less], [from:to:when], AND, BREAK, #"
            " comments; plain = every character as it is. Only for models with CLIP text encoders"
            " alone.",
            infotext="Prompt syntax",
            aliases=("prompt syntax",),
        ),
    ] = PromptSyntax.A1111
    emphasis: Annotated[
        Emphasis,
        FieldSpec(
            label="Emphasis",
            help="How the weights of words are applied: original = as A1111 does; no_norm ="
            " without keeping the mean, better for some prompts with SDXL; ignore = not at all;"
            " none = brackets are text.",
            a1111_option="emphasis",
            a1111_names={
                Emphasis.ORIGINAL: "Original",
                Emphasis.NO_NORM: "No norm",
                Emphasis.IGNORE: "Ignore",
                Emphasis.NONE: "None",
            },
            infotext="Emphasis",
            aliases=("emphasis",),
        ),
    ] = Emphasis.ORIGINAL
    comma_backtrack: Annotated[
        int,
        FieldSpec(
            label="Comma backtrack",
            help="A chunk of 75 tokens ends at its last comma, if that is no more than so many"
            " tokens back, so that no phrase is divided; 0 = it is always full.",
            ge=0,
            le=74,
            a1111_option="comma_padding_backtrack",
        ),
    ] = COMMA_BACKTRACK
