"""The decode stage: decodes latents to pictures and checks them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from PIL import Image

from sdtui.core.errors import BrokenPictureError
from sdtui.engine.families import family_of
from sdtui.engine.loaded import LoadedModel
from sdtui.engine.memory.modes import set_vae_savings
from sdtui.engine.resolved_request import ResolvedRequest
from sdtui.engine.stages.load import load_vae
from sdtui.requests.record import Stage


def decode(
    model: LoadedModel,
    latents: torch.Tensor,
    request: ResolvedRequest,
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
    family = family_of(model.description)

    def decode_with(vae: Any, latents: torch.Tensor) -> torch.Tensor:
        if not set_vae_savings(vae, slicing=slicing, tile=tile):
            notice(f"the VAE of {model.source.name} can't work in tiles")
        return family.decode(model, vae, latents, request)

    def decode_in_float32(latents: torch.Tensor) -> torch.Tensor:
        # A copy from disk: the loaded one may be split over two devices by its memory mode, and
        # its weights are already rounded.
        vae = load_vae(model.description, model.vae_file, torch.float32)
        _copy_padding(own, vae)
        return decode_with(vae.to(model.execution_device), latents)

    own = model.vae
    try:
        pixels = decode_with(own, latents)
    finally:
        model.pipeline.maybe_free_model_hooks()
    wrong = _broken(pixels)
    if wrong and own.dtype != torch.float32:
        notice(
            f"the VAE gave black or NaN pictures in {model.dtype}: decoding them again in float32"
        )
        pixels[wrong] = decode_in_float32(latents[wrong]).to(pixels)
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


def _copy_padding(source: torch.nn.Module, target: torch.nn.Module) -> None:
    """Pad the convolutions of `target` as those of `source`, of the same architecture."""
    for one, other in zip(source.modules(), target.modules(), strict=True):
        if isinstance(one, torch.nn.Conv2d) and isinstance(other, torch.nn.Conv2d):
            other.padding_mode = one.padding_mode


def _broken(pixels: torch.Tensor) -> list[int]:
    """Return the indices of pictures that contain NaN or are entirely black."""
    return [
        index
        for index, picture in enumerate(pixels)
        if not torch.isfinite(picture).all() or bool((picture <= -1 + 1 / 255).all())
    ]
