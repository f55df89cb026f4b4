"""The prepare stage: what a pass needs besides its prompts, such as the latents that it starts
from. It is kept, so that a denoising that fails never repeats it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from PIL import Image

from sdtui.core.cancellation import Cancellation
from sdtui.engine.families import family_of
from sdtui.engine.features.active import ActiveFeatures
from sdtui.engine.loaded import LoadedModel
from sdtui.engine.memory.modes import set_vae_savings
from sdtui.engine.passes import Batch, PassResults, PictureStart, Start, StartContext
from sdtui.engine.resolved_request import ResolvedRequest
from sdtui.engine.stages.decode import decode
from sdtui.engine.stages.refusals import refusals


@dataclass(frozen=True)
class Preparation:
    """How a batch is prepared."""

    number: int
    """Of the pass, from 0."""
    indices: Sequence[int]
    """Of the pictures."""
    before: ResolvedRequest | None
    """Of the previous pass."""
    slicing: bool
    """The VAE takes one picture at a time."""
    tile: int | None
    """Side of the VAE's tiles in pixels; None = whole pictures."""
    notice: Callable[[str], None]
    """Called with messages for the user."""
    cancellation: Cancellation


def prepared(
    batch: Batch, number: int, indices: Sequence[int], features: ActiveFeatures, kept: PassResults
) -> Batch | None:
    """Return a batch of pass `number` with all that was prepared for it before; None if something
    is missing."""
    starts: tuple[PictureStart, ...] | None = ()
    if batch.pass_.start is not None:
        starts = kept.starts(indices, batch.pass_)
    if batch.pass_.has_pictures and not kept.is_encoded(indices, batch.pass_):
        return None
    values: dict[str, Mapping[str, object]] = {}
    for feature, section in features.preparing():
        found = kept.prepared(feature.name, section, batch.pass_, number, indices)
        if found is None:
            return None
        values[feature.name] = found
    return None if starts is None else replace(batch, starts=starts, prepared=values)


def prepare(
    model: LoadedModel,
    batch: Batch,
    features: ActiveFeatures,
    kept: PassResults,
    how: Preparation,
) -> None:
    """Prepare a batch, as far as `kept` doesn't have it, and keep it there. Raises the errors of
    the features."""
    pass_, number, indices = batch.pass_, how.number, how.indices
    set_vae_savings(model.vae, slicing=how.slicing, tile=how.tile)
    starts: tuple[PictureStart, ...] = ()
    if pass_.start is not None:
        found = kept.starts(indices, pass_)
        if found is None:
            found = _starts(model, batch, pass_.start, how)
            for index, start in zip(indices, found, strict=True):
                kept.add_start(index, pass_, start)
        starts = found
    batch = replace(batch, starts=starts)
    if pass_.has_pictures and not kept.is_encoded(indices, pass_):
        with refusals(model, pass_.request):
            family_of(model.description).prepare(model, batch)
        kept.set_encoded(indices, pass_)
    for feature, section in features.preparing():
        if kept.prepared(feature.name, section, pass_, number, indices) is None:
            values = feature.prepare(section, model, batch)
            of = None if feature.prepares_once else indices
            kept.add_prepared(feature.name, section, pass_, number, of, values)


def _starts(
    model: LoadedModel, batch: Batch, start: Start, how: Preparation
) -> tuple[PictureStart, ...]:
    def decode_before() -> list[Image.Image]:
        assert batch.before is not None
        assert how.before is not None
        return decode(
            model,
            batch.before,
            how.before,
            slicing=how.slicing,
            tile=how.tile,
            notice=how.notice,
        )

    generators = batch.noise().generators
    context = StartContext(
        model=model,
        request=batch.pass_.request,
        generators=generators,
        before=batch.before,
        decode_before=decode_before,
        notice=how.notice,
        cancellation=how.cancellation,
    )
    latents = family_of(model.description).start_latents(context, start)
    states = [each.get_state() for each in generators]
    if latents is not None:
        pairs = zip(states, latents.split(1), strict=True)
        return tuple(PictureStart(state, latents=row) for state, row in pairs)
    images = zip(states, start.images(context), strict=True)
    return tuple(PictureStart(state, image=image) for state, image in images)
