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


def tagged_hires_prompt(request: GenerationRequest) -> TaggedText:
    """Return the tags of the prompt of the hires pass: the request's, unless it has its own."""
    if request.hires is None or not request.hires.prompt:
        return tagged_prompt(request)
    return read_tags(request.hires.prompt, request.encoding.prompt_syntax)


def lora_uses(request: GenerationRequest) -> list[LoraUse]:
    """Return the LoRAs of a request: those of its field, and of tags in its prompt."""
    return [*map(parse_lora, request.adapters.loras), *tagged_prompt(request).loras]


def hires_lora_uses(request: GenerationRequest) -> list[LoraUse]:
    """Return the LoRAs of the hires pass, as in A1111: its prompt names its own."""
    return [*map(parse_lora, request.adapters.loras), *tagged_hires_prompt(request).loras]


def all_lora_uses(request: GenerationRequest) -> list[LoraUse]:
    """Return the LoRAs of all passes, each once."""
    return list(dict.fromkeys((*lora_uses(request), *hires_lora_uses(request))))


def check_uses(request: GenerationRequest) -> None:
    """Raise InvalidRequestError for tags that can't be understood and arguments that can't be
    used."""
    problems = [Problem("prompt", "", each) for each in tagged_prompt(request).problems]
    if request.hires is not None and request.hires.prompt:
        of_hires = tagged_hires_prompt(request).problems
        problems += [Problem("hires_prompt", "", each) for each in of_hires]
    problems += [
        Problem("loras", str(use), f"{use.name}: {problem}")
        for use in all_lora_uses(request)
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
