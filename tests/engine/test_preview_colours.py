"""Colours of previews that are fitted to a VAE."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy
import torch
from diffusers import AutoencoderKLQwenImage21, AutoencoderTiny
from PIL import Image

from sdtui.engine.generator import generate
from sdtui.engine.pipeline_manager import StableDiffusionEngine
from sdtui.engine.preview_colours import latent_to_rgb
from sdtui.pocket import MODEL_FOLDER
from tests.support.events import Events
from tests.support.requests import make_request
from tests.support.tiny_families import make_family, make_flux_transformer
from tests.support.tiny_transformers import small_vae


def test_last_preview_is_like_the_picture(
    shared_engine: StableDiffusionEngine, tmp_path: Path, events: Events
) -> None:
    pipeline = make_family("flux")
    # The VAE of the pocket model is trained: neighbouring colours are alike.
    vae: Any = AutoencoderTiny.from_pretrained(MODEL_FOLDER / "vae")
    transformer = make_flux_transformer(in_channels=4 * vae.config.latent_channels)
    pipeline.register_modules(vae=vae, transformer=transformer)
    pipeline.save_pretrained(tmp_path / "flux")
    request = make_request(tmp_path / "flux", width=96, height=64)
    (picture,) = generate(shared_engine, request, report=events).images
    shown = [event for event in events if event.kind == "preview"][-1]
    size = shown.width, shown.height
    assert size == (12, 8)
    colours = numpy.frombuffer(shown.rgb, dtype=numpy.uint8)
    small = numpy.asarray(picture.resize(size, Image.Resampling.BOX))
    assert numpy.corrcoef(colours, small.ravel())[0, 1] > 0.9


def test_vae_that_overflows_has_no_previews() -> None:
    vae: Any = small_vae()
    vae.decoder.conv_out.bias.data.fill_(torch.nan)
    assert latent_to_rgb("FluxPipeline", vae, torch.device("cpu")) is None


def test_vae_for_videos_with_transparency_has_previews() -> None:
    vae: Any = AutoencoderKLQwenImage21(
        base_dim=8,
        decoder_base_dim=8,
        z_dim=16,
        dim_mult=[1, 1, 1, 1, 1],
        num_res_blocks=1,
        latents_mean=[0.1] * 16,
        latents_std=[1.2] * 16,
    )
    assert latent_to_rgb("QwenImage21Pipeline", vae, torch.device("cpu")) is not None
