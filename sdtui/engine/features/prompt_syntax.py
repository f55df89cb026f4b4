"""Prompt syntax: weights, parts, and texts that change by step."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

from sdtui.core.enums import Emphasis
from sdtui.core.enums import PromptSyntax as Syntax
from sdtui.engine.encode.options import EncodeOptions
from sdtui.engine.encode.stepwise import stepwise_prompts
from sdtui.engine.features.feature import Feature
from sdtui.engine.loaded import LoadedModel
from sdtui.engine.passes import Batch, Pass
from sdtui.models import ModelDescription
from sdtui.requests.request import GenerationRequest
from sdtui.requests.sections.encoding import COMMA_BACKTRACK


@dataclass(frozen=True)
class UsedSyntax:
    """How prompts are read, and how weights are applied."""

    syntax: Syntax = Syntax.A1111
    emphasis: Emphasis = Emphasis.ORIGINAL
    comma_backtrack: int = COMMA_BACKTRACK

    def of(self, options: EncodeOptions) -> EncodeOptions:
        """Return options of the encoding with this syntax."""
        return replace(
            options,
            syntax=self.syntax,
            emphasis=self.emphasis,
            comma_backtrack=self.comma_backtrack,
        )


class PromptSyntax(Feature[UsedSyntax]):
    """The prompt language. Other families than Stable Diffusion get their prompts as written."""

    name = "prompt_syntax"
    fields = ("emphasis", "comma_backtrack")

    def open(self, request: GenerationRequest) -> UsedSyntax | None:
        """Return what differs from the defaults."""
        encoding = request.encoding
        used = UsedSyntax(encoding.prompt_syntax, encoding.emphasis, encoding.comma_backtrack)
        return None if used == UsedSyntax() else used

    def native(self, description: ModelDescription) -> UsedSyntax | None:
        """Return the defaults, where there is a prompt language."""
        return UsedSyntax() if description.is_stable_diffusion else None

    def supports(self, section: UsedSyntax, description: ModelDescription) -> bool:
        """True for Stable Diffusion; plain prompts are what others take anyway."""
        return description.is_stable_diffusion or section == UsedSyntax(section.syntax)

    def embedding_key(self, section: UsedSyntax, pass_: Pass) -> None:
        """Return None: it is all in the options of the encoding."""

    def encode_options(
        self, section: UsedSyntax, model: LoadedModel, options: EncodeOptions
    ) -> EncodeOptions:
        return section.of(options)

    def passes(self, section: UsedSyntax, passes: tuple[Pass, ...]) -> tuple[Pass, ...]:
        """Say how many parts each pass denoises apart, for the estimate of memory."""
        options = section.of(EncodeOptions())
        return tuple(
            replace(each, prompts=len(options.parse(each.request.prompt, 0))) for each in passes
        )

    def denoising(
        self, section: UsedSyntax, model: LoadedModel, batch: Batch
    ) -> AbstractContextManager[object]:
        """Give the denoiser the prompts of each step, if they change."""

        def calls_before() -> int:
            return (model.pipeline.scheduler.begin_index or 0) if batch.pass_.begin else 0

        return stepwise_prompts(
            model.denoiser, batch.embeddings.stepwise, len(batch.seeds), calls_before
        )

    def settings(self, section: UsedSyntax) -> Mapping[str, object]:
        """Return what differs from the defaults, for the record."""
        usual = UsedSyntax()
        used = {
            "prompt_syntax": (section.syntax, usual.syntax),
            "emphasis": (section.emphasis, usual.emphasis),
            "comma_backtrack": (section.comma_backtrack, usual.comma_backtrack),
        }
        return {name: value for name, (value, default) in used.items() if value != default}
