"""What reads the prompts of a model before it is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from sdtui.core.errors import ModelError
from sdtui.jobs.model_api import Models
from sdtui.models import ModelDescription, PromptReader, TokenCounter, text_widths


def prompt_reader(
    models: Models, counters: Mapping[str, TokenCounter], description: ModelDescription | None
) -> PromptReader | None:
    """Return the reader for a model's prompts; None if it isn't of Stable Diffusion. One that isn't
    downloaded is taken for it."""
    counter = next(iter(counters.values()), None)
    if counter is None or not (description is None or description.is_stable_diffusion):
        return None
    vectors: dict[str, int] = {}
    if description is not None:
        with suppress(ModelError):  # then the model can't be used either
            widths = text_widths(description)
            found = (each.embedding for each in models.embeddings())
            vectors = {each.name: each.vectors for each in found if each and each.fits(widths)}
    return PromptReader.of(counter, vectors)
