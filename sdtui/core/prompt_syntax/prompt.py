"""A whole prompt: its parts, over the steps, with their weights."""

from __future__ import annotations

from dataclasses import dataclass

from sdtui.core.enums import Emphasis, PromptSyntax
from sdtui.core.prompt_syntax.attention import Group, Weighted, parse_attention
from sdtui.core.prompt_syntax.composition import Part, split_parts
from sdtui.core.prompt_syntax.schedule import Stretch, parse_schedule
from sdtui.core.prompt_syntax.tags import read_tags


@dataclass(frozen=True)
class ParsedPart:
    """A part of a prompt between two ANDs."""

    weight: float
    stretches: tuple[Stretch, ...]
    has_weights: bool = True
    """False if brackets are text."""

    def groups(self, stretch: Stretch) -> tuple[Group, ...]:
        """Return the pieces of one of its texts, in groups that BREAK separates."""
        return parse_attention(stretch.text) if self.has_weights else ((Weighted(stretch.text),),)


def parse_prompt(
    text: str,
    steps: int,
    *,
    is_negative: bool = False,
    syntax: PromptSyntax = PromptSyntax.A1111,
    emphasis: Emphasis = Emphasis.ORIGINAL,
    base_steps: int | None = None,
) -> tuple[ParsedPart, ...]:
    """Return the parts of a prompt over a number of steps, without comments and tags. A negative
    prompt is one part: AND is a word there. With the emphasis `none`, brackets and BREAK are text;
    with plain syntax, everything is. For `base_steps` see `parse_schedule`."""
    if syntax is PromptSyntax.PLAIN:
        return (ParsedPart(1.0, (Stretch(steps, text),), has_weights=False),)
    has_weights = emphasis is not Emphasis.NONE
    text = read_tags(text, syntax).text
    parts = (Part(text),) if is_negative else split_parts(text)
    return tuple(
        ParsedPart(
            part.weight, parse_schedule(part.text, steps, base_steps=base_steps), has_weights
        )
        for part in parts
    )
