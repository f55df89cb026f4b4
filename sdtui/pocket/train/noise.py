"""Noisy latents to train the UNet on: of pictures, and of what the UNet itself would draw."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from sdtui.pocket.train.vae import Autoencoder

HIGH_NOISE, LOW_NOISE = 0.6, 1.5
"""Exponents of the even distribution of times: half lie above 660, and above 536, of 1000. With
much noise the content comes from the caption, which is the longer to learn; hires fix,
image-to-image and inpainting use little, where it comes from the picture."""
_LAST = 999
"""The time of almost pure noise."""
_REDRAWN = 0.45
"""Share of the times from which enlarged pictures are denoised. With more noise than at 450, SNR
0.14, they show no more than the caption tells."""
_SMALL_TIMES = (400, 950)
"""From which the small pictures are drawn that are then enlarged: they keep what is where, and
their details are the UNet's own."""


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


def noisy_enlarged(
    predict: Callable[[Tensor, Tensor], Tensor],
    enlarge: Callable[[Tensor], Tensor],
    latents: Tensor,
    schedule: Tensor,
    side: int,
) -> Noisy:
    """Latents as hires fix has them: a picture that the UNet has drawn with `side` latent cells a
    side, enlarged, with noise. The target is the picture with all its details.

    `enlarge` takes the small latents to the size of `latents`. Trained without these, a UNet takes
    what is soft for a guess from pure noise, and draws its own in its place.
    """
    small = functional.interpolate(latents, (side, side), mode="area")
    least, most = _SMALL_TIMES
    times = torch.randint(least, most, (len(small),), device=small.device)
    for now in (times, times // 2):
        signal, spread = _shares(now, schedule)
        noisy = signal * small + spread * torch.randn_like(small)
        noisy = noisy.contiguous(memory_format=torch.channels_last)
        with torch.no_grad():
            small = signal * noisy - spread * predict(noisy, now).float()
    times = (_REDRAWN * _times(latents, 1.0)).long()
    signal, spread = _shares(times, schedule)
    noisy = signal * enlarge(small) + spread * torch.randn_like(latents)
    noisy = noisy.contiguous(memory_format=torch.channels_last)
    return Noisy(noisy, times, (signal * noisy - latents) / spread, spread.square()[:, 0])


@torch.no_grad()
def enlarged_latents(vae: Autoencoder, latents: Tensor, side: int) -> Tensor:
    """Latents (n, 8, h, w) with `side` cells a side: half of them enlarged as such, half as
    pictures, the two ways of hires fix."""
    half = len(latents) // 2
    scale = vae.config.scaling_factor
    as_latents = functional.interpolate(latents[:half], (side, side), mode="bilinear")
    pictures = vae.decode(latents[half:] / scale).sample.clamp(-1, 1)
    pictures = functional.interpolate(pictures.float(), (side * 8, side * 8), mode="bicubic")
    as_pictures = vae.encode(pictures).latents * scale
    return torch.cat([as_latents, as_pictures.float()])


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
