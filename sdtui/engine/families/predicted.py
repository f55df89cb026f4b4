"""x0, the finished latents that a denoiser predicts, from what its scheduler is given at a step."""

from __future__ import annotations

import inspect
from typing import Any

import torch

from sdtui.engine.latents import has_patches, without_patches

_VIDEO = 5
"""Dimensions of the latents of models whose VAE is for videos."""
_PACKED = 3
"""Dimensions of latents that are packed in a row."""


def predicted_x0(
    scheduler: Any, prediction: torch.Tensor, timestep: Any, sample: torch.Tensor
) -> torch.Tensor | None:
    """Return x0 of the first picture in the pipeline's own layout, 1 x ..., in float32; None for
    schedulers whose formula isn't known. Called before the scheduler's step, with its arguments.

    Flow matching: x0 = x - sigma v (Esser et al. 2024). Other schedulers that preserve variance:
    x0 = (x - sqrt(1-a) e) / sqrt(a), where a is the product of the alphas up to the timestep (Song
    et al. 2020, DDIM, eq. 4).
    """
    first, predicted = sample[:1].float(), prediction[:1].float()
    if first.shape != predicted.shape:
        return None
    kind = scheduler.config.get("prediction_type", "epsilon")
    if type(scheduler).__name__.startswith("FlowMatch") or kind == "flow_prediction":
        index = scheduler.step_index
        if index is None:
            index = scheduler.index_for_timestep(timestep)
        sigma: torch.Tensor = scheduler.sigmas[index].to(first)
        return first - sigma * predicted
    preserves = getattr(scheduler, "init_noise_sigma", None) == 1 and kind == "epsilon"
    if not preserves or not hasattr(scheduler, "alphas_cumprod"):
        return None
    alpha: torch.Tensor = scheduler.alphas_cumprod[int(timestep)].to(first)
    return (first - (1 - alpha).sqrt() * predicted) / alpha.sqrt()


def shown_latents(
    pipeline: Any, latents: torch.Tensor, width: int, height: int
) -> torch.Tensor | None:
    """Return the first picture of latents in a pipeline's own layout as previews take them: C x h x
    w in the scale of the denoiser, or in that of the VAE if the denoiser takes patches. None for
    unknown layouts.

    `width` and `height` are those of the picture in pixels.
    """
    found = grid(pipeline, latents, width, height)
    vae = getattr(pipeline, "vae", None)
    if found is None or not has_patches(vae):
        return found
    return without_patches(vae, found[None])[0]


def grid(pipeline: Any, latents: torch.Tensor, width: int, height: int) -> torch.Tensor | None:
    """Return the first picture of latents in a pipeline's own layout as C x h x w: at one place
    what belongs to one part of the picture. None for other layouts.

    Where there is no `_unpack_latents`, packed latents are row by row, in patches of two by two
    (FLUX.2).
    """
    if latents.ndim == _VIDEO:
        only_frame = latents.shape[2] == 1
        return latents[0, :, 0] if only_frame else latents[0, 0]
    if latents.ndim != _PACKED:
        return latents[0] if latents.ndim == _PACKED + 1 else None
    factor = pipeline.vae_scale_factor
    unpack = getattr(pipeline, "_unpack_latents", None)
    if unpack is not None:
        takes_factor = len(inspect.signature(unpack).parameters) > _PACKED
        options = (factor,) if takes_factor else ()
        if latents.shape[1] != (height // (2 * factor)) * (width // (2 * factor)):
            return None  # some pipelines choose the size themselves
        return grid(pipeline, unpack(latents, height, width, *options), width, height)
    rows, columns = height // (2 * factor), width // (2 * factor)
    if latents.shape[1] != rows * columns:
        return None
    return latents[0].T.reshape(-1, rows, columns)
