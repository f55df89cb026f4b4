"""The decode stage: from latents to pictures, checked."""

from __future__ import annotations

import torch
from PIL import Image

from sdtui.core.errors import BrokenPictureError
from sdtui.engine.latents import decode_latents, needs_float32
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
    if needs_float32(vae):
        return decode_in_float32(model, latents)
    try:
        return decode_latents(model, vae, latents)
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
    return decode_latents(model, vae.to(model.execution_device), latents)


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
