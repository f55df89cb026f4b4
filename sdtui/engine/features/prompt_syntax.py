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


@dataclass(frozen=True)
class UsedSyntax:
    """How prompts are read, and how weights are applied."""

    syntax: Syntax = Syntax.A1111
    emphasis: Emphasis = Emphasis.ORIGINAL


class PromptSyntax(Feature[UsedSyntax]):
    """The prompt language. Other families than Stable Diffusion get their prompts as written."""

    name = "prompt_syntax"
    fields = ("emphasis",)

    def open(self, request: GenerationRequest) -> UsedSyntax | None:
        """Return what differs from the defaults."""
        used = UsedSyntax(request.encoding.prompt_syntax, request.encoding.emphasis)
        return None if used == UsedSyntax() else used

    def native(self, description: ModelDescription) -> UsedSyntax | None:
        """Return the defaults, where there is a prompt language."""
        return UsedSyntax() if description.is_stable_diffusion else None

    def supports(self, section: UsedSyntax, description: ModelDescription) -> bool:
        """True for Stable Diffusion; plain prompts are what others take anyway."""
        return description.is_stable_diffusion or section.emphasis is Emphasis.ORIGINAL

    def embedding_key(self, section: UsedSyntax, pass_: Pass) -> None:
        """Return None: it is all in the options of the encoding."""

    def encode_options(
        self, section: UsedSyntax, model: LoadedModel, options: EncodeOptions
    ) -> EncodeOptions:
        return replace(options, syntax=section.syntax, emphasis=section.emphasis)

    def passes(self, section: UsedSyntax, passes: tuple[Pass, ...]) -> tuple[Pass, ...]:
        """Say how many parts each pass denoises apart, for the estimate of memory."""
        options = EncodeOptions(section.syntax, section.emphasis)
        return tuple(
            replace(each, prompts=len(options.parse(each.request.prompt, 0))) for each in passes
        )

    def denoising(
        self, section: UsedSyntax, model: LoadedModel, batch: Batch
    ) -> AbstractContextManager[object]:
        """Give the denoiser the prompts of each step, if they change."""
        return stepwise_prompts(model.denoiser, batch.embeddings.stepwise, len(batch.seeds))

    def settings(self, section: UsedSyntax) -> Mapping[str, object]:
        """Return what differs from the defaults, for the record."""
        used = {"prompt_syntax": section.syntax, "emphasis": section.emphasis}
        usual = UsedSyntax()
        defaults = {"prompt_syntax": usual.syntax, "emphasis": usual.emphasis}
        return {name: value for name, value in used.items() if value != defaults[name]}
