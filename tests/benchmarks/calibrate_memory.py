"""Measure the memory of one denoiser pass and one VAE decode of the real architectures, without
their (random) weights, for the constants in sdtui/models/estimate.py.

    python -m tests.benchmarks.calibrate_memory [--family sd1] [--size 512]
"""

from __future__ import annotations

import argparse
import ctypes
import gc
from collections.abc import Callable
from typing import Any

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel

from sdtui.engine.device import PeakMeter, choose_device
from sdtui.engine.library_setup import quiet_libraries
from sdtui.models.component_files import CONFIGS
from sdtui.models.estimate import DENOISER_MAPS, USUAL_VAE_BYTES_ON_CPU

_ROWS = 2
"""Batch size of one pass: the pictures and their unconditional halves."""


def main() -> None:
    """Print measured and assumed bytes for both parts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--family", choices=["sd1", "sd2", "sdxl"], default="sd1")
    parser.add_argument("--size", type=int, default=512, help="pixels a side")
    options = parser.parse_args()
    quiet_libraries()
    latent = options.size // 8
    for name, dtype, size in (("bfloat16", torch.bfloat16, 2), ("float32", torch.float32, 4)):
        unet: Any = UNet2DConditionModel.from_config(
            UNet2DConditionModel.load_config(CONFIGS / options.family / "unet")
        ).to(dtype)
        used = peak_of(lambda unet=unet, dtype=dtype: _denoise(unet, latent, dtype))  # type: ignore[misc]
        maps = used / (unet.config.block_out_channels[0] * latent**2 * _ROWS * size)
        _say(f"{options.family} denoiser, {name}", used, maps, DENOISER_MAPS, "maps")
        del unet
        vae: Any = AutoencoderKL.from_config(
            AutoencoderKL.load_config(CONFIGS / options.family / "vae")
        ).to(dtype)
        used = peak_of(lambda vae=vae, dtype=dtype: _decode(vae, latent, dtype))  # type: ignore[misc]
        per_pixel = used / (options.size**2 * size)
        _say(
            f"{options.family} decoder, {name}", used, per_pixel, USUAL_VAE_BYTES_ON_CPU, "a pixel"
        )
        del vae


def _denoise(unet: Any, latent: int, dtype: torch.dtype) -> None:
    config = unet.config
    added = {
        "text_embeds": torch.zeros(_ROWS, 1280, dtype=dtype),
        "time_ids": torch.zeros(_ROWS, 6, dtype=dtype),
    }
    unet(
        torch.randn(_ROWS, 4, latent, latent, dtype=dtype),
        500,
        encoder_hidden_states=torch.randn(_ROWS, 77, config.cross_attention_dim, dtype=dtype),
        added_cond_kwargs=added,
    )


def _decode(vae: Any, latent: int, dtype: torch.dtype) -> None:
    vae.decode(torch.randn(1, 4, latent, latent, dtype=dtype))


def peak_of(work: Callable[[], None]) -> int:
    """Return the peak bytes above those in use before."""
    meter = PeakMeter(choose_device("cpu"))
    # Free memory that malloc has reserved would be used first and not be measured.
    gc.collect()
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    with torch.no_grad():
        meter.start()
        before = meter.now()
        work()
        return meter.peak() - before


def _say(part: str, used: int, measured: float, assumed: float, unit: str) -> None:
    print(  # noqa: T201
        f"{part:28} {used / 2**20:7.0f} MiB = {measured:6.0f} {unit} (assumed: {assumed})"
    )


if __name__ == "__main__":
    main()
