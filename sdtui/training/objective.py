"""The loss of a step: what the U-Net should predict, and how much each picture counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from diffusers import DDPMScheduler
from diffusers.training_utils import compute_snr

from sdtui.core.errors import UnsupportedModelError

_V_PREDICTION = "v_prediction"
_PREDICTIONS = ("epsilon", _V_PREDICTION)


@dataclass(frozen=True)
class Batch:
    """Pictures that are computed at once, on the device."""

    latents: torch.Tensor
    """n x channels x height x width, scaled as the U-Net sees them."""
    text: torch.Tensor
    """n x tokens x width."""
    added: Mapping[str, torch.Tensor] = field(default_factory=dict)
    """SDXL's `added_cond_kwargs`."""


@dataclass(frozen=True)
class Noise:
    """The noise of a batch and how much of it there is."""

    noise: torch.Tensor
    """As the latents."""
    timesteps: torch.Tensor
    """n whole numbers, 0 to 999."""


def training_scheduler(pipeline: Any) -> Any:
    """Return the DDPMScheduler that adds noise as the model has learnt it, from that of a pipeline.

    Raises UnsupportedModelError for a model that predicts something else than noise or velocity.
    """
    scheduler = DDPMScheduler.from_config(pipeline.scheduler.config)
    if scheduler.config.prediction_type not in _PREDICTIONS:
        raise UnsupportedModelError(
            f"a model that predicts {scheduler.config.prediction_type} can't be trained",
            "Take one of Stable Diffusion 1, 2 or XL",
        )
    return scheduler


def draw_noise(
    latents: torch.Tensor, timesteps: int, offset: float, generators: Sequence[torch.Generator]
) -> Noise:
    """Return the noise of a batch, from a generator on the CPU for each picture: it depends neither
    on the device nor on the other pictures. `offset` is the share of noise that is the same for all
    pixels of a channel."""
    pictures, times = [], []
    for generator in generators:
        noise = torch.randn(latents.shape[1:], generator=generator)
        times.append(torch.randint(0, timesteps, (), generator=generator))
        if offset:
            noise += offset * torch.randn(latents.shape[1], 1, 1, generator=generator)
        pictures.append(noise)
    return Noise(
        torch.stack(pictures).to(latents.device, latents.dtype),
        torch.stack(times).to(latents.device),
    )


def batch_loss(
    unet: Any, scheduler: Any, batch: Batch, noise: Noise, snr_gamma: float | None
) -> torch.Tensor:
    """Return the loss of a batch: the mean squared error of its predictions, in float32.

    With `snr_gamma` each picture is weighted by min(SNR, gamma) / SNR, for velocity by
    min(SNR, gamma) / (SNR + 1) (Hang et al. 2023, "Efficient Diffusion Training via Min-SNR
    Weighting Strategy", as in diffusers' training scripts).
    """
    noisy = scheduler.add_noise(batch.latents, noise.noise, noise.timesteps)
    options = {"added_cond_kwargs": dict(batch.added)} if batch.added else {}
    predicted = unet(noisy, noise.timesteps, batch.text, return_dict=False, **options)[0]
    is_velocity = scheduler.config.prediction_type == _V_PREDICTION
    target = noise.noise
    if is_velocity:
        target = scheduler.get_velocity(batch.latents, noise.noise, noise.timesteps)
    errors = (predicted.float() - target.float()).square().mean(dim=(1, 2, 3))
    if snr_gamma is not None:
        snr = compute_snr(scheduler, noise.timesteps).float()
        errors = errors * snr.clamp(max=snr_gamma) / (snr + 1 if is_velocity else snr)
    loss: torch.Tensor = errors.mean()
    return loss
