"""The denoise stage: from noise (or the start of a pass) and embeddings to latents."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial

import torch
from PIL import Image

from sdtui.core.errors import BrokenPictureError
from sdtui.engine.families import family_of
from sdtui.engine.families.family import StepState
from sdtui.engine.families.seams import denoisers_of, replaced
from sdtui.engine.features.active import ActiveFeatures
from sdtui.engine.loaded import LoadedModel
from sdtui.engine.memory.modes import set_vae_savings
from sdtui.engine.passes import Batch
from sdtui.engine.samplers import use_sampler
from sdtui.engine.speed.step_cache import StepCache
from sdtui.engine.stages.refusals import refusals
from sdtui.requests.record import Stage


def denoise(
    model: LoadedModel,
    batch: Batch,
    features: ActiveFeatures,
    on_step: Callable[[StepState], None],
    *,
    watch: bool,
) -> torch.Tensor | list[Image.Image]:
    """Return the latents of a batch, N x C x h x w on the CPU; finished pictures if the family
    returns no latents that the decode stage accepts.

    `watch` turns on the estimate of x0 for previews. Raises BrokenPictureError for NaN, and the
    errors of `on_step`.
    """
    use_sampler(model, batch.pass_.request)
    # The previous batch may have turned on tiling, but init images are encoded whole: some VAEs
    # can't encode in tiles.
    set_vae_savings(model.vae, slicing=False, tile=None)
    batch = replace(batch, arguments=features.arguments(model, batch))

    reuse = model.speedups.reuse

    def after_step(state: StepState) -> torch.Tensor | None:
        if reuse is not None:
            reuse.after_step()
        on_step(state)
        return features.on_step(batch, state)

    family = family_of(model.description)
    with (
        refusals(model, batch.pass_.request),
        _reusing(model),
        features.denoising(model, batch),
    ):
        result = family.denoise(model, batch, after_step, watch=watch)
    if isinstance(result, torch.Tensor):
        _check(result, model)
    return result


@contextmanager
def _reusing(model: LoadedModel) -> Iterator[None]:
    """Open a context in which the results of earlier steps are reused, if the speed preset has
    that."""
    reuse = model.speedups.reuse
    if reuse is None:
        yield
        return
    reuse.begin()
    try:
        with ExitStack() as stack:
            if isinstance(reuse, StepCache):
                for number, denoiser in enumerate(denoisers_of(model.pipeline)):
                    wrapped = partial(reuse.wrapped, number)
                    stack.enter_context(replaced(denoiser, forward=wrapped))
            yield
    finally:
        reuse.restart()


def _check(latents: torch.Tensor, model: LoadedModel) -> None:
    if torch.isfinite(latents).all():
        return
    hint = "Use --dtype bfloat16 or float32" if model.dtype == "float16" else "The model is damaged"
    if model.loras.names:
        hint = f"{hint}, or the weight of a LoRA is too large ({', '.join(model.loras.names)})"
    raise BrokenPictureError(
        f"the denoiser gave no usable numbers (NaN) in {model.dtype}", hint, stage=Stage.DENOISE
    )
