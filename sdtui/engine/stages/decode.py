"""The decode stage: from latents to pictures, checked."""

from __future__ import annotations

from typing import Any

import torch
from PIL import Image

from sdtui.core.errors import BrokenPictureError
from sdtui.engine.loaded import LoadedModel
from sdtui.engine.stages.load import load_component
from sdtui.requests.record import Stage


def check_latents(latents: torch.Tensor, dtype: str) -> None:
    """Raise BrokenPictureError if the denoiser gave NaN or infinity."""
    if not torch.isfinite(latents).all():
        hint = "Use --dtype bfloat16 or float32" if dtype == "float16" else "The model is damaged"
        raise BrokenPictureError(
            f"the denoiser gave no usable numbers (NaN) in {dtype}", hint, stage=Stage.DENOISE
        )


def decode(model: LoadedModel, latents: torch.Tensor) -> torch.Tensor:
    """Decode latents (N x C x H x W) in the model's own precision; float32 on the CPU, N x 3 x
    H x W, about -1 to 1. May hold NaN: see `broken`."""
    vae = model.pipeline.vae
    upcast = vae.dtype == torch.float16 and getattr(vae.config, "force_upcast", False)
    if upcast:
        return decode_in_float32(model, latents)
    try:
        return _decode(vae, latents, model)
    finally:
        model.pipeline.maybe_free_model_hooks()


def decode_in_float32(model: LoadedModel, latents: torch.Tensor) -> torch.Tensor:
    """The same with a copy of the VAE in fp32, read anew: the loaded one may be spread over two
    devices by its memory mode, and its numbers were already rounded."""
    own = model.pipeline.vae
    vae = load_component(model.description, "vae", torch.float32)
    if own.use_slicing:
        vae.enable_slicing()
    if own.use_tiling:
        vae.enable_tiling()
        vae.tile_sample_min_size = own.tile_sample_min_size
        vae.tile_latent_min_size = own.tile_latent_min_size
    return _decode(vae.to(model.pipeline._execution_device), latents, model)


def broken(pictures: torch.Tensor) -> list[int]:
    """The indices of pictures that hold NaN or are black in every pixel."""
    return [
        index
        for index, picture in enumerate(pictures)
        if not torch.isfinite(picture).all() or bool((picture <= -1 + 1 / 255).all())
    ]


def to_images(model: LoadedModel, pictures: torch.Tensor) -> list[Image.Image]:
    """Tensors about -1 to 1 to 8-bit RGB pictures, as diffusers does it."""
    images: list[Image.Image] = model.pipeline.image_processor.postprocess(
        pictures, output_type="pil"
    )
    return images


def _decode(vae: Any, latents: torch.Tensor, model: LoadedModel) -> torch.Tensor:
    scaled = _unscale(vae.config, latents).to(model.pipeline._execution_device, vae.dtype)
    with torch.no_grad():
        pictures: torch.Tensor = vae.decode(scaled, return_dict=False)[0]
    return pictures.float().cpu()


def _unscale(config: Any, latents: torch.Tensor) -> torch.Tensor:
    """Undo what the pipeline did to the VAE's latents, in the latents' own precision."""
    mean, std = getattr(config, "latents_mean", None), getattr(config, "latents_std", None)
    if mean is not None and std is not None:
        shape = (1, -1, 1, 1)
        mean_, std_ = torch.tensor(mean).view(shape), torch.tensor(std).view(shape)
        return latents * std_.to(latents) / float(config.scaling_factor) + mean_.to(latents)
    unscaled: torch.Tensor = latents / config.scaling_factor
    shift = getattr(config, "shift_factor", None)
    return unscaled + shift if shift is not None else unscaled
