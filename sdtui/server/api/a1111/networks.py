"""Tags of LoRAs and hypernetworks that can't be used. A1111 makes the picture without them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sdtui.core.dynamic_prompts.parser import is_dynamic
from sdtui.core.errors import ModelError
from sdtui.core.prompt_tags import LoraUse, keep_tags, take_tags
from sdtui.jobs.model_api import Models
from sdtui.server.errors import with_routes


@dataclass(frozen=True)
class KnownNetworks:
    """Prompts with the tags that can be used."""

    prompts: Mapping[str, str] = field(default_factory=dict)
    """By the names of their fields."""
    left_out: tuple[str, ...] = ()
    """The other tags."""
    comments: tuple[str, ...] = ()
    """Why they were left out."""


def known_networks(prompts: Mapping[str, str], models: Models) -> KnownNetworks:
    """Leave out the tags of prompts that name no LoRA that can be read, except for those that
    are known when the prompt's alternatives are chosen. Reads folders."""
    hints: dict[str, str] = {}

    def is_known(use: LoraUse) -> bool:
        try:
            models.find_lora(use.name)
        except ModelError as error:
            hints[use.name] = error.hint
            return False
        return True

    kept = {name: keep_tags(text, is_known, is_dynamic) for name, text in prompts.items()}
    left_out = tuple(tag for _, tags in kept.values() for tag in tags)
    comments = [
        with_routes(f"Networks not found: {name}. {hint}".strip()) for name, hint in hints.items()
    ]
    comments += take_tags("".join(left_out)).problems
    texts = {name: text for name, (text, _) in kept.items()}
    return KnownNetworks(texts, left_out, tuple(comments))
