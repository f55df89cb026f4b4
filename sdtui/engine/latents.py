"""Conversion between pixels and latents: the VAE's scaling, and the noise.

Latents have the shape N x C x h x w, where h and w are the pixels' height and width divided by the
VAE's factor (8 for SD 1.x, 2.x and SDXL). Pixels are N x 3 x H x W, from -1 to 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy
import torch
from PIL import Image

from sdtui.engine.loaded import LoadedModel


def draw_noise(shape: Sequence[int], generators: Sequence[torch.Generator]) -> torch.Tensor:
    """Draw standard normal noise in float32 on the CPU, N x `shape`, one picture from each of N
    generators: a seed gives the same picture on every machine and in every batch."""
    drawn = [torch.randn((1, *shape), generator=each, dtype=torch.float32) for each in generators]
    return torch.cat(drawn)


def scale_latents(config: Any, latents: torch.Tensor) -> torch.Tensor:
    """Scale the output of the VAE's encoder (N x C x h x w) for the denoiser, in the latents' own
    precision.

    Without mean and standard deviation in the config, a `shift_factor` is not subtracted: only the
    Stable Diffusion families are encoded here, and they have none.
    """
    statistics = _statistics(config, latents)
    if statistics is None:
        scaled: torch.Tensor = config.scaling_factor * latents
        return scaled
    mean, std = statistics
    return (latents - mean) / std * float(config.scaling_factor)


def unscale_latents(config: Any, latents: torch.Tensor) -> torch.Tensor:
    """Reverse `scale_latents`, including the `shift_factor` of the families that have one."""
    statistics = _statistics(config, latents)
    if statistics is not None:
        mean, std = statistics
        return latents * std / float(getattr(config, "scaling_factor", 1)) + mean
    unscaled: torch.Tensor = latents / config.scaling_factor
    shift = getattr(config, "shift_factor", None)
    return unscaled + shift if shift is not None else unscaled


def has_patches(vae: Any) -> bool:
    """Return whether the denoiser takes the VAE's latents in patches of two by two (FLUX.2), scaled
    by statistics among its weights."""
    return hasattr(vae, "bn")


def without_patches(vae: Any, latents: torch.Tensor) -> torch.Tensor:
    """Return latents in patches, N x 4C x h x w, as the VAE takes them: N x C x 2h x 2w."""
    statistics = vae.bn.running_mean, vae.bn.running_var
    mean, variance = (each.view(1, -1, 1, 1).to(latents) for each in statistics)
    scaled = latents * (variance + vae.config.batch_norm_eps).sqrt() + mean
    unpacked: torch.Tensor = torch.nn.functional.pixel_shuffle(scaled, 2)
    return unpacked


def _statistics(config: Any, latents: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor] | None:
    """Return the mean and the standard deviation of each channel, 1 x C x 1 x 1, or None if the
    config has none."""
    mean, std = getattr(config, "latents_mean", None), getattr(config, "latents_std", None)
    if mean is None or std is None:
        return None
    shape = (1, -1, 1, 1)
    return torch.tensor(mean).view(shape).to(latents), torch.tensor(std).view(shape).to(latents)


def encode_image(
    model: LoadedModel, image: Image.Image, generators: Sequence[torch.Generator]
) -> torch.Tensor:
    """Encode one picture, once for each generator: N x C x h x w in the denoiser's dtype.

    The latents are sampled from the VAE's posterior, as in diffusers' image-to-image pipelines.
    Autoencoders without a posterior give the same latents N times.
    """
    encoded = _encoded(model, model.pipeline.image_processor.preprocess(image))
    if hasattr(encoded, "latents"):
        latents = torch.cat([encoded.latents] * len(generators))
    else:
        posterior = encoded.latent_dist
        noise = draw_noise(posterior.mean.shape[1:], generators)
        latents = posterior.mean + posterior.std * noise.to(posterior.mean)
    return scale_latents(model.vae.config, latents.to(model.denoiser.dtype))


def encode_pixels(model: LoadedModel, pixels: torch.Tensor) -> torch.Tensor:
    """Encode pixels, N x 3 x H x W from -1 to 1: N x C x h x w in the denoiser's dtype. Of a
    posterior, the mean is taken: it depends on no seed."""
    encoded = _encoded(model, pixels)
    latents = encoded.latents if hasattr(encoded, "latents") else encoded.latent_dist.mean
    return scale_latents(model.vae.config, latents.to(model.denoiser.dtype))


def _encoded(model: LoadedModel, pixels: torch.Tensor) -> Any:
    """Return what the VAE makes of pixels, N x 3 x H x W from -1 to 1."""
    vae = model.vae
    try:
        with torch.no_grad():
            return vae.encode(pixels.to(model.execution_device, vae.dtype))
    finally:
        # Model offload would keep the VAE on the device for the whole denoising.
        model.pipeline.maybe_free_model_hooks()


def latent_mask(mask: Image.Image, like: torch.Tensor) -> torch.Tensor:
    """Return a mask (mode L) in the size of `like`, N x C x h x w, in its dtype and on its device:
    1 x 1 x h x w, the share of the pixels of each latent that is repainted, 0 to 1."""
    small = mask.resize((like.shape[-1], like.shape[-2]), Image.Resampling.BOX)
    values = torch.from_numpy(numpy.array(small, dtype=numpy.float32)) / 255
    return values[None, None].to(like)


def run_decoder(model: LoadedModel, vae: Any, latents: torch.Tensor) -> torch.Tensor:
    """Decode latents that are scaled for `vae` already to pixels, about -1 to 1, in its own
    precision and on the device that the pipeline computes on. They may contain NaN."""
    with torch.no_grad():
        decoded: torch.Tensor = vae.decode(
            latents.to(model.execution_device, vae.dtype), return_dict=False
        )[0]
    return decoded
