"""The colours of previews: which mixture of a model's latents is red, green and blue."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from sdtui.engine.latents import has_patches, unscale_latents, without_patches
from sdtui.engine.preview import LatentToRGB

# Rows: latent channels; columns: red, green, blue, for values from -1 to 1; last row: offset. SD
# 1.x: the 4x3 matrix that InvokeAI published (app/util/step_callback.py). SDXL: diffusers'
# documentation (using-diffusers/callback), converted from 0..255 to -1..1.
_SD1 = [
    [0.3444, 0.1385, 0.0670],
    [0.1247, 0.4027, 0.1494],
    [-0.3192, 0.2513, 0.2103],
    [-0.1307, -0.1874, -0.7445],
    [0.0, 0.0, 0.0],
]
_SDXL = [
    [60 / 127.5, 60 / 127.5, 60 / 127.5],
    [-60 / 127.5, -5 / 127.5, 10 / 127.5],
    [25 / 127.5, 15 / 127.5, -5 / 127.5],
    [-70 / 127.5, -50 / 127.5, -35 / 127.5],
    [150 / 127.5 - 1, 140 / 127.5 - 1, 130 / 127.5 - 1],
]
_CONVOLUTIONS = (nn.Conv2d, nn.Conv3d)
_PICTURES = 8
"""Random pictures by which factors are fitted: 72 independent latents."""


def latent_to_rgb(family: str, vae: Any, device: torch.device) -> LatentToRGB | None:
    """Return the map for a model: published factors for SD 1.x, 2.x and SDXL, else factors fitted
    to its VAE on `device`; None without a VAE, or if its latents can't be mapped."""
    channels = int(getattr(vae.config, "latent_channels", 4)) if vae is not None else 0
    if family in ("sd1", "sd2") and channels == 4:
        return LatentToRGB(torch.tensor(_SD1))
    if family == "sdxl" and channels == 4:
        return LatentToRGB(torch.tensor(_SDXL))
    if vae is None or vae.device.type == "meta" or not _has_known_scale(vae):
        return None
    before = vae.device
    try:
        factors = fit_factors(vae.to(device))
        return None if factors is None else LatentToRGB(factors)
    finally:
        vae.to(before)


def _has_known_scale(vae: Any) -> bool:
    known = ("scaling_factor", "latents_mean")
    return has_patches(vae) or any(hasattr(vae.config, name) for name in known)


def fit_factors(vae: Any) -> Tensor | None:
    """Fit the linear map by least squares: smooth random latents in the denoiser's scale (in that
    of the VAE, if the denoiser takes patches) against the VAE's pictures of them, averaged over the
    pixels of each latent. Shape (channels + 1) x 3; None if the VAE overflows for most of them."""
    channels = int(getattr(vae.config, "latent_channels", 0) or vae.config.z_dim)
    generator = torch.Generator().manual_seed(0)
    shape = (_PICTURES, channels, 3, 3)
    coarse = torch.randn(shape, generator=generator, dtype=torch.float32)
    latents = nn.functional.interpolate(coarse, size=(8, 8), mode="bilinear")
    if has_patches(vae):
        latents = without_patches(vae, nn.functional.pixel_unshuffle(latents, 2))
    small = nn.functional.adaptive_avg_pool2d(_decoded(vae, latents).clamp(-1, 1), (8, 8))
    inputs = latents.permute(0, 2, 3, 1).reshape(-1, channels)
    inputs = torch.cat([inputs, torch.ones(len(inputs), 1, dtype=torch.float32)], dim=1)
    targets = small.permute(0, 2, 3, 1).reshape(-1, 3)
    is_usable = targets.isfinite().all(dim=1)
    if is_usable.sum() <= channels:
        return None
    solution: Tensor = torch.linalg.lstsq(inputs[is_usable], targets[is_usable]).solution
    return solution


def _decoded(vae: Any, latents: Tensor) -> Tensor:
    """Return the pixels of latents, N x 3 x H x W in float32 on the CPU."""
    given = latents if has_patches(vae) else unscale_latents(vae.config, latents)
    convolutions = (each for each in vae.decoder.modules() if isinstance(each, _CONVOLUTIONS))
    is_video = isinstance(next(convolutions), nn.Conv3d) or "temperal_downsample" in vae.config
    parameter = next(vae.parameters())
    given = given.to(parameter.device, parameter.dtype)
    with torch.no_grad():
        pixels: Tensor = vae.decode(given[:, :, None] if is_video else given).sample
    return (pixels[:, :3, 0] if is_video else pixels).float().cpu()
