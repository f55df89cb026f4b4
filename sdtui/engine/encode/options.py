"""EncodeOptions: what embeddings depend on besides the prompts and the model."""

from __future__ import annotations

from dataclasses import dataclass

from sdtui.core.enums import Emphasis, PromptSyntax
from sdtui.core.prompt_syntax import ParsedPart, parse_prompt
from sdtui.models.embeddings import Embedding, without_prefixes
from sdtui.requests.sections.encoding import COMMA_BACKTRACK


@dataclass(frozen=True)
class EncodeOptions:
    """How prompts are encoded. Features change the defaults."""

    syntax: PromptSyntax = PromptSyntax.A1111
    emphasis: Emphasis = Emphasis.ORIGINAL
    comma_backtrack: int = COMMA_BACKTRACK
    """How many tokens may move to the next chunk, so that this one ends at a comma."""
    clip_skip: int = 1
    """As in A1111: 1 = the last layer, 2 = the one before."""
    embeddings: tuple[Embedding, ...] = ()
    """Those that the prompts name, fit for the model."""

    def parse(
        self, text: str, calls: int, *, base_calls: int | None = None, is_negative: bool = False
    ) -> tuple[ParsedPart, ...]:
        """Return the parts of a prompt over a number of calls of the denoiser. `base_calls` is that
        of the first pass, in a second one."""
        text = without_prefixes(text, (each.name for each in self.embeddings))
        return parse_prompt(
            text,
            calls,
            is_negative=is_negative,
            syntax=self.syntax,
            emphasis=self.emphasis,
            base_steps=base_calls,
        )
