"""The decode stage: decodes latents to pictures and checks them."""

from __future__ import annotations

from collections.abc import Callable

import torch
from PIL import Image

from sdtui.core.errors import BrokenPictureError
from sdtui.engine.latents import decode_latents, needs_float32
from sdtui.engine.loaded import LoadedModel
from sdtui.engine.memory.modes import set_vae_savings
from sdtui.engine.stages.load import load_component
from sdtui.requests.record import Stage


def decode(
    model: LoadedModel,
    latents: torch.Tensor,
    *,
    slicing: bool,
    tile: int | None,
    notice: Callable[[str], None],
) -> list[Image.Image]:
    """Decode latents, N x C x h x w on the CPU, to N 8-bit RGB pictures; repeated in float32 if the
    model's own precision gives black or NaN.

    `slicing` = one picture at a time; `tile` = the side of a VAE tile in pixels, None = no tiles.
    `notice` is called with messages for the user. Raises BrokenPictureError.
    """
    if not set_vae_savings(model.pipeline.vae, slicing=slicing, tile=tile):
        notice(f"the VAE of {model.source.name} can't work in tiles")
    pixels = _decode(model, latents)
    wrong = _broken(pixels)
    if wrong and model.pipeline.vae.dtype != torch.float32:
        notice(
            f"the VAE gave black or NaN pictures in {model.dtype}: decoding them again in float32"
        )
        pixels[wrong] = _decode_in_float32(model, latents[wrong])
        wrong = _broken(pixels)
    if wrong:
        raise BrokenPictureError(
            "the decoded picture is black or holds NaN, in float32 too",
            "Try another sampler, fewer changes to the model, or another VAE",
            stage=Stage.DECODE,
        )
    images: list[Image.Image] = model.pipeline.image_processor.postprocess(
        pixels, output_type="pil"
    )
    return images


def _decode(model: LoadedModel, latents: torch.Tensor) -> torch.Tensor:
    """Return pixels, N x 3 x H x W, float32 on the CPU, about -1 to 1."""
    vae = model.pipeline.vae
    if needs_float32(vae):
        return _decode_in_float32(model, latents)
    try:
        return decode_latents(model, vae, latents)
    finally:
        model.pipeline.maybe_free_model_hooks()


def _decode_in_float32(model: LoadedModel, latents: torch.Tensor) -> torch.Tensor:
    """Decode with an fp32 copy of the VAE from disk: the loaded one may be split over two devices
    by its memory mode, and its weights are already rounded."""
    own = model.pipeline.vae
    vae = load_component(model.description, "vae", torch.float32)
    if own.use_slicing:
        vae.enable_slicing()
    if own.use_tiling:
        vae.enable_tiling()
        vae.tile_sample_min_size = own.tile_sample_min_size
        vae.tile_latent_min_size = own.tile_latent_min_size
    return decode_latents(model, vae.to(model.execution_device), latents)


def _broken(pixels: torch.Tensor) -> list[int]:
    """Return the indices of pictures that contain NaN or are entirely black."""
    return [
        index
        for index, picture in enumerate(pixels)
        if not torch.isfinite(picture).all() or bool((picture <= -1 + 1 / 255).all())
    ]
