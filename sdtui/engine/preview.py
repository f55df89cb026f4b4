"""A small preview picture, cheap enough for every step.

The denoiser's own input and output give x0, the picture that it expects at the end; the noisy
latents that diffusers hands to its callback would show murk for half of the run. x0's channels
are then mixed into red, green and blue at one pixel a latent.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

# Rows: latent channels; columns: red, green, blue, for values from -1 to 1; last row: offset.
# SD 1.x: the 4x3 matrix that InvokeAI published (app/util/step_callback.py). SDXL: diffusers'
# documentation (using-diffusers/callback), brought from 0..255 to -1..1.
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


class LatentToRGB:
    """The linear map from latents to a small RGB picture for one model."""

    def __init__(self, factors: Tensor) -> None:
        """`factors`: (latent channels + 1) x 3, the last row being the offset."""
        self._factors = factors.float().cpu()

    def __call__(self, latents: Tensor) -> tuple[int, int, bytes]:
        """Width, height and RGB bytes of latents of shape C x H x W."""
        channels = latents.shape[0]
        flat = latents.float().cpu().reshape(channels, -1).T
        rgb = torch.addmm(self._factors[channels], flat, self._factors[:channels])
        pixels = rgb.add(1).mul(127.5).clamp(0, 255).to(torch.uint8)
        return latents.shape[2], latents.shape[1], bytes(pixels.numpy())


def latent_to_rgb(family: str, vae: Any) -> LatentToRGB | None:
    """The map for a model: published figures for SD 1.x, 2.x and SDXL, fitted to the VAE itself
    where that is a tiny one, None otherwise."""
    channels = int(getattr(vae.config, "latent_channels", 4)) if vae is not None else 0
    if family in ("sd1", "sd2") and channels == 4:
        return LatentToRGB(torch.tensor(_SD1))
    if family == "sdxl" and channels == 4:
        return LatentToRGB(torch.tensor(_SDXL))
    if type(vae).__name__ == "AutoencoderTiny":
        return LatentToRGB(fit_factors(vae, channels))
    return None


def fit_factors(vae: Any, channels: int) -> Tensor:
    """Fit the linear map by least squares: smooth latents drawn at random against the VAE's own
    pictures of them, averaged over the pixels of each latent. Shape (channels + 1) x 3."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.randn((16, channels, 3, 3), generator=generator)
    latents = nn.functional.interpolate(coarse, size=(8, 8), mode="bilinear")
    parameter = next(vae.parameters())
    with torch.no_grad():
        decoded = vae.decode(
            (latents / vae.config.scaling_factor).to(parameter.device, parameter.dtype)
        ).sample
    small = nn.functional.adaptive_avg_pool2d(decoded.float().cpu().clamp(-1, 1), (8, 8))
    inputs = latents.permute(0, 2, 3, 1).reshape(-1, channels)
    inputs = torch.cat([inputs, torch.ones(len(inputs), 1)], dim=1)
    targets = small.permute(0, 2, 3, 1).reshape(-1, 3)
    solution: Tensor = torch.linalg.lstsq(inputs, targets).solution
    return solution


class X0Watcher:
    """Watches the denoiser's forward passes and keeps x0 of the first picture of the batch.

    Works with every sampler of the variance-preserving kind, since each scales the latents to
    that form before the denoiser sees them: x = sqrt(a)·x0 + sqrt(1-a)·noise, where a is the
    product of the alphas up to the timestep (Song et al. 2020, DDIM, eq. 4).
    """

    def __init__(self, scheduler_config: Mapping[str, Any], alphas_cumprod: Tensor) -> None:
        self._prediction_type = str(scheduler_config.get("prediction_type", "epsilon"))
        self._alphas = alphas_cumprod.double().cpu()
        self._guidance = 1.0
        self.x0: Tensor | None = None

    def watch(self, denoiser: nn.Module, guidance_scale: float) -> Any:
        """Start watching `denoiser`; returns the hook's handle, to be removed afterwards."""
        self.x0 = None
        self._guidance = guidance_scale
        return denoiser.register_forward_hook(self._look, with_kwargs=True)

    def _look(self, _: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> None:
        sample = args[0] if args else kwargs["sample"]
        timestep = args[1] if len(args) > 1 else kwargs["timestep"]
        predicted = out[0] if isinstance(out, tuple) else out.sample
        # With guidance the batch is the unguided half and then the guided one.
        half = len(predicted) // 2
        prediction = predicted[:1]
        if self._guidance > 1 and half:
            prediction = prediction + self._guidance * (predicted[half : half + 1] - prediction)
        alpha = self._alpha(float(timestep))
        self.x0 = self._estimate(sample[:1].float(), prediction.float(), alpha)[0]

    def _alpha(self, timestep: float) -> float:
        """The alphas' product at a timestep, between the whole ones in the logarithm."""
        last = len(self._alphas) - 1
        low = min(max(int(timestep), 0), last)
        high = min(low + 1, last)
        share = min(max(timestep - low, 0.0), 1.0)
        logs = self._alphas.clamp(min=1e-12).log()
        return float((logs[low] * (1 - share) + logs[high] * share).exp())

    def _estimate(self, sample: Tensor, prediction: Tensor, alpha: float) -> Tensor:
        signal, noise = math.sqrt(alpha), math.sqrt(1 - alpha)
        if self._prediction_type == "v_prediction":
            return signal * sample - noise * prediction
        if self._prediction_type == "sample":
            return prediction
        return (sample - noise * prediction) / max(signal, 1e-6)
