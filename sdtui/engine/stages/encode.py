"""The encode stage: from prompts to embeddings, and which words are truncated."""

from __future__ import annotations

from collections.abc import Mapping

from sdtui.engine.embeddings import Embeddings, Encoding
from sdtui.engine.families import family_of
from sdtui.engine.features.active import ActiveFeatures
from sdtui.engine.loaded import LoadedModel
from sdtui.engine.passes import Pass
from sdtui.engine.resolved_request import ResolvedRequest
from sdtui.models import TokenCounter
from sdtui.requests.record import Truncation


def encode(model: LoadedModel, pass_: Pass, features: ActiveFeatures) -> Embeddings:
    """Return the embeddings of a pass's prompts, from the model's cache if possible."""
    request = pass_.request
    guidance = model.description.uses_cfg(request.guidance_scale)
    encoding = Encoding(
        prompt=request.prompt,
        negative_prompt=request.negative_prompt if guidance else "",
        guidance=guidance,
        of_features=features.embedding_key(pass_),
    )

    def make() -> Embeddings:
        embeddings = features.encode(model, pass_, guidance=guidance)
        if embeddings is not None:
            return embeddings
        return family_of(model.description).encode(
            model, encoding.prompt, encoding.negative_prompt, guidance=guidance
        )

    return model.embeddings.get(encoding, make)


def find_truncations(
    counters: Mapping[str, TokenCounter], request: ResolvedRequest
) -> tuple[Truncation, ...]:
    """Return the part of either prompt that each text encoder ignores."""
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
