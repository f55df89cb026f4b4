"""The LoRAs that a request names."""

from __future__ import annotations

from sdtui.core.prompt_syntax.tags import read_tags
from sdtui.core.prompt_tags import LoraUse, TaggedText, parse_lora
from sdtui.requests.request import GenerationRequest


def tagged_prompt(request: GenerationRequest) -> TaggedText:
    """Return the tags of a request's prompt."""
    return read_tags(request.prompt, request.encoding.prompt_syntax)


def lora_uses(request: GenerationRequest) -> list[LoraUse]:
    """Return the LoRAs of a request: those of its field, and of tags in its prompt."""
    return [*map(parse_lora, request.adapters.loras), *tagged_prompt(request).loras]
