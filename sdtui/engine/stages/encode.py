"""The encode stage: from prompts to embeddings, and which words are cut."""

from __future__ import annotations

from collections.abc import Mapping

from sdtui.engine.embeddings import Embeddings
from sdtui.engine.families import family_of
from sdtui.engine.features.active import ActiveFeatures
from sdtui.engine.loaded import LoadedModel
from sdtui.engine.passes import Pass
from sdtui.engine.resolved_request import ResolvedRequest
from sdtui.models import TokenCounter
from sdtui.requests.record import Truncation


def encode(model: LoadedModel, pass_: Pass, features: ActiveFeatures) -> Embeddings:
    """The embeddings of a pass's prompts, from the model's cache if they are there."""
    request = pass_.request
    guidance = model.uses_cfg(request.guidance_scale)
    prompt, negative_prompt = request.prompt, request.negative_prompt if guidance else ""

    def make() -> Embeddings:
        made = features.encode(model, pass_, guidance=guidance)
        if made is not None:
            return made
        family = family_of(model.description)
        return family.encode(model, prompt, negative_prompt, guidance=guidance)

    key = (prompt, negative_prompt, guidance, features.embedding_key(pass_))
    return model.embeddings.get(key, make)


def find_truncations(
    counters: Mapping[str, TokenCounter], request: ResolvedRequest
) -> tuple[Truncation, ...]:
    """What each text encoder will not see of either prompt."""
    texts = {"prompt": request.prompt, "negative_prompt": request.negative_prompt}
    truncations = []
    for encoder, counter in counters.items():
        for field, text in texts.items():
            count = counter.count(text)
            if count.cut_from is not None:
                truncations.append(
                    Truncation(
                        field=field,
                        encoder=encoder,
                        tokens=count.tokens,
                        limit=count.limit,
                        start=count.cut_from,
                        cut=text[count.cut_from :],
                    )
                )
    return tuple(truncations)
