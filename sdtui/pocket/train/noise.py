"""Noisy latents to train the UNet on: of pictures, and of what the UNet itself would draw."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

HIGH_NOISE, LOW_NOISE = 0.6, 0.9
"""Exponents of the even distribution of times: half lie above 660, and above 536, of 1000. With
much noise the content comes from the caption, which is the longer to learn; hires fix,
image-to-image and inpainting use little, where it comes from the picture."""
_LAST = 999
"""The time of almost pure noise."""


@dataclass(frozen=True)
class Noisy:
    """Latents with noise, and what the UNet is to predict for them."""

    latents: Tensor
    """(n, c, h, w)."""
    times: Tensor
    """(n,), 0 to 999."""
    velocity: Tensor
    """(n, c, h, w): the target."""
    weights: Tensor
    """(n, 1, 1): what its squared error counts."""


def noisy_pictures(latents: Tensor, schedule: Tensor, exponent: float) -> Noisy:
    """Latents of pictures (n, c, h, w) with noise. `schedule` is the scheduler's
    `alphas_cumprod`."""
    times = _times(latents, exponent)
    signal, spread = _shares(times, schedule)
    noise = torch.randn_like(latents)
    noisy = (signal * latents + spread * noise).contiguous(memory_format=torch.channels_last)
    velocity = signal * noise - spread * latents
    return Noisy(noisy, times, velocity, latents.new_ones(len(latents), 1, 1))


def noisy_guesses(
    predict: Callable[[Tensor, Tensor], Tensor], latents: Tensor, schedule: Tensor, exponent: float
) -> Noisy:
    """Latents as a sampler has them after its first step: the UNet's guess from pure noise in place
    of a picture, with the same noise. `predict` takes noisy latents and times.

    The target is the picture all the same. In training on pictures alone, the noisy latents show
    details that the UNet doesn't know yet; in sampling they show its own errors, and it would take
    those for details (exposure bias: Ning et al., 2023).
    """
    noise = torch.randn_like(latents).contiguous(memory_format=torch.channels_last)
    times = _times(latents, exponent)
    with torch.no_grad():
        last = torch.full_like(times, _LAST)
        signal, spread = _shares(last, schedule)
        guess = signal * noise - spread * predict(noise, last).float()
    signal, spread = _shares(times, schedule)
    noisy = (signal * guess + spread * noise).contiguous(memory_format=torch.channels_last)
    # With little noise, the velocity to the picture is large: its error counts as that of the
    # picture.
    return Noisy(noisy, times, (signal * noisy - latents) / spread, spread.square()[:, 0])


def joined(parts: list[Noisy]) -> Noisy:
    """All of them as one."""
    latents = torch.cat([part.latents for part in parts])
    return Noisy(
        latents.contiguous(memory_format=torch.channels_last),
        torch.cat([part.times for part in parts]),
        torch.cat([part.velocity for part in parts]),
        torch.cat([part.weights for part in parts]),
    )


def _times(latents: Tensor, exponent: float) -> Tensor:
    """Random times, one from each of as many equal intervals as there are latents, in random order:
    less variance in the loss than with independent ones."""
    count, device = len(latents), latents.device
    evenly = (torch.randperm(count, device=device) + torch.rand(count, device=device)) / count
    return (1000 * evenly**exponent).long().clamp(max=_LAST)


def _shares(times: Tensor, schedule: Tensor) -> tuple[Tensor, Tensor]:
    """The factors of picture and noise, (n, 1, 1, 1)."""
    kept = schedule[times].view(-1, 1, 1, 1)
    return kept.sqrt(), (1 - kept).sqrt()
