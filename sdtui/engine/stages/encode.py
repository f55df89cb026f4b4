"""The encode stage: from prompts to embeddings, and which words are truncated."""

from __future__ import annotations

from sdtui.engine.embeddings import Embeddings, Encoding
from sdtui.engine.families import family_of
from sdtui.engine.features.active import ActiveFeatures
from sdtui.engine.loaded import LoadedModel
from sdtui.engine.passes import Pass
from sdtui.engine.remembered import content_of
from sdtui.engine.resolved_request import ResolvedRequest
from sdtui.engine.samplers import make_scheduler
from sdtui.engine.stages.refusals import refusals
from sdtui.requests.record import Truncation


def encoding_of(
    model: LoadedModel, pass_: Pass, features: ActiveFeatures, pictures: int = 1
) -> Encoding:
    """Return what the embeddings of a pass's prompts for a batch of `pictures` depend on."""
    request = pass_.request
    guidance = model.description.uses_cfg(request.guidance_scale, request.true_cfg_scale)
    options = features.encode_options(model)
    calls, base_calls = 0, None
    if _may_change(model, request):  # else it isn't encoded again for another number of steps
        calls = _denoiser_calls(model, pass_)
        base_calls = None if pass_.first is None else _denoiser_calls(model, pass_.first)
    prompt = options.parse(request.prompt, calls, base_calls=base_calls)
    negative = None
    if guidance or len(prompt) > 1:
        (negative,) = options.parse(
            request.negative_prompt, calls, base_calls=base_calls, is_negative=True
        )
    family = family_of(model.description)
    return Encoding(
        prompt=prompt,
        negative_prompt=negative,
        guidance=guidance,
        options=options,
        pictures=pictures if family.batches_prompts else 1,
        with_pictures=content_of(family.pictures_in_prompt(model, pass_)),
        of_features=features.embedding_key(pass_),
    )


def encode(
    model: LoadedModel, encoding: Encoding, pass_: Pass, features: ActiveFeatures
) -> Embeddings:
    """Return the embeddings of a pass's prompts, from the model's cache if possible."""

    def encoded() -> Embeddings:
        features.before_encoding(model, pass_)
        return family_of(model.description).encode(model, encoding, pass_)

    with refusals(model, pass_.request):
        return model.embeddings.get(encoding, encoded)


def _may_change(model: LoadedModel, request: ResolvedRequest) -> bool:
    """True if one of the prompts may change by step."""
    texts = request.prompt + request.negative_prompt
    return "[" in texts and model.description.is_stable_diffusion


def _denoiser_calls(model: LoadedModel, pass_: Pass) -> int:
    """Return how often the denoiser is called in all steps, as A1111 counts them: twice a step by
    samplers of second order, and in all steps of a schedule of which an init image skips some."""
    request = pass_.request
    order = getattr(make_scheduler(model.own_scheduler, request.sampler), "order", 1)
    steps = request.num_inference_steps if pass_.last_steps is None else pass_.last_steps
    return steps * int(order)


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
