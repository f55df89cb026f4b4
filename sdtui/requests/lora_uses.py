"""The LoRAs that a request names."""

from __future__ import annotations

from sdtui.core.block_weights import BlockWeightError, parse_block_weights
from sdtui.core.errors import InvalidRequestError, Problem
from sdtui.core.prompt_syntax.tags import read_tags
from sdtui.core.prompt_tags import LoraUse, TaggedText, parse_lora
from sdtui.requests.request import GenerationRequest


def tagged_prompt(request: GenerationRequest) -> TaggedText:
    """Return the tags of a request's prompt."""
    return read_tags(request.prompt, request.encoding.prompt_syntax)


def lora_uses(request: GenerationRequest) -> list[LoraUse]:
    """Return the LoRAs of a request: those of its field, and of tags in its prompt."""
    return [*map(parse_lora, request.adapters.loras), *tagged_prompt(request).loras]


def check_uses(request: GenerationRequest) -> None:
    """Raise InvalidRequestError for tags that can't be understood and arguments that can't be
    used."""
    problems = [Problem("prompt", "", each) for each in tagged_prompt(request).problems]
    problems += [
        Problem("loras", str(use), f"{use.name}: {problem}")
        for use in lora_uses(request)
        if (problem := use_problem(use)) is not None
    ]
    if problems:
        raise InvalidRequestError(problems)


def use_problem(use: LoraUse) -> str | None:
    """Return why a LoRA can't be applied as it is written; None if it can."""
    try:
        if use.blocks:
            parse_block_weights(use.blocks)
    except BlockWeightError as error:
        return f"lbw={use.blocks} {error}"
    return None
