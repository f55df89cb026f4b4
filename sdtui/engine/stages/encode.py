"""The encode stage: from prompts to embeddings, and which words are truncated."""

from __future__ import annotations

from sdtui.engine.embeddings import Embeddings, Encoding
from sdtui.engine.families import family_of
from sdtui.engine.features.active import ActiveFeatures
from sdtui.engine.loaded import LoadedModel
from sdtui.engine.passes import Pass
from sdtui.engine.resolved_request import ResolvedRequest
from sdtui.engine.samplers import make_scheduler
from sdtui.requests.record import Truncation


def encode(model: LoadedModel, pass_: Pass, features: ActiveFeatures) -> Embeddings:
    """Return the embeddings of a pass's prompts, from the model's cache if possible."""
    request = pass_.request
    guidance = model.description.uses_cfg(request.guidance_scale)
    options = features.encode_options(model)
    calls = _denoiser_calls(model, request)
    prompt = options.parse(request.prompt, calls)
    negative = None
    if guidance or len(prompt) > 1:
        (negative,) = options.parse(request.negative_prompt, calls, is_negative=True)
    encoding = Encoding(
        prompt=prompt,
        negative_prompt=negative,
        guidance=guidance,
        options=options,
        of_features=features.embedding_key(pass_),
    )
    family = family_of(model.description)
    return model.embeddings.get(encoding, lambda: family.encode(model, encoding))


def _denoiser_calls(model: LoadedModel, request: ResolvedRequest) -> int:
    """Return how often the denoiser is called in all steps, as A1111 counts them: twice a step by
    samplers of second order. 0 if no prompt can depend on it, so that it isn't encoded again."""
    is_fixed = "[" not in request.prompt + request.negative_prompt
    if is_fixed or not model.description.is_stable_diffusion:
        return 0
    order = getattr(make_scheduler(model.own_scheduler, request.sampler), "order", 1)
    return request.num_inference_steps * int(order)


def find_truncations(model: LoadedModel, request: ResolvedRequest) -> tuple[Truncation, ...]:
    """Return the part of either prompt that each text encoder ignores; none where long prompts are
    encoded in chunks."""
    if model.description.is_stable_diffusion:
        return ()
    texts = {"prompt": request.prompt, "negative_prompt": request.negative_prompt}
    truncations = []
    for encoder, counter in model.counters.items():
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
