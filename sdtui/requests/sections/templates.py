"""How prompts are made from what was written, before a job waits in the queue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from sdtui.core.enums import DynamicPrompts
from sdtui.core.fields import FieldSpec, Section

_MOST_STYLES = 100


@dataclass(frozen=True)
class Templates(Section):
    """Styles, and alternatives, variables and wildcards in prompts."""

    styles: Annotated[
        tuple[str, ...],
        FieldSpec(
            label="Styles",
            help="Texts that are added to the prompts, by their names in styles.csv.",
            flags=("--style",),
            flag_help='May be given several times; "sdtui styles" lists them.',
            metavar="NAME",
            widget="names",
            max_length=_MOST_STYLES,
            group="Prompt",
            chip_short="{}",
            letter="y",
            open_text="none",
            a1111="styles",
            openai="styles",
        ),
    ] = ()
    dynamic_prompts: Annotated[
        DynamicPrompts,
        FieldSpec(
            label="Dynamic prompts",
            help="What becomes of {a|b} and __wildcards__: random = each picture has its own;"
            " combinatorial = all combinations, at least one picture each; off = they stay as"
            " they are.",
            group="Prompt",
        ),
    ] = DynamicPrompts.RANDOM
