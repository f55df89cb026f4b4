"""Models of real size with random weights, written once and read as any model folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    FlowMatchEulerDiscreteScheduler,
    FluxPipeline,
    FluxTransformer2DModel,
)
from transformers import CLIPTextConfig, CLIPTextModel, T5Config, T5EncoderModel

from sdtui.models.component_files import CONFIGS
from sdtui.pocket import MODEL_FOLDER
from tests.support.single_files import random_pipeline
from tests.support.tiny_families import make_family
from tests.support.tiny_models import make_sd1, make_sdxl, make_tokenizer
from tests.support.tiny_other_families import make_flux, make_t5_tokenizer


class Models:
    """The models of the checks, each written when it is first asked for."""

    def __init__(self, folder: Path, device: torch.device, *, dry: bool) -> None:
        """`device` draws the weights, which a CPU takes long for."""
        self._folder = folder
        self._device = device
        self._make = _TINY if dry else {**_TINY, **self._real()}

    def folder(self, family: str) -> Path:
        """Return the folder of "pocket", "sd1", "sdxl" or "flux", or of a tiny model of another
        family."""
        if family == "pocket":
            return MODEL_FOLDER
        folder = self._folder / family
        if not (folder / "model_index.json").is_file():
            if family in self._make:
                self._make[family](folder)
            else:
                make_family(family).save_pretrained(folder)
        return folder

    def _real(self) -> dict[str, Callable[[Path], object]]:
        return {
            "sd1": lambda folder: self._stable_diffusion("sd1", folder),
            "sdxl": lambda folder: self._stable_diffusion("sdxl", folder),
            "flux": self._flux,
        }

    def _stable_diffusion(self, family: str, folder: Path) -> None:
        with self._device:
            pipeline = random_pipeline(CONFIGS / family, torch.float16)
        pipeline.save_pretrained(folder)

    def _flux(self, folder: Path) -> None:
        """Write a Flux of real width with one block of each kind, and a T5 of one layer."""
        torch.manual_seed(0)
        clip = CLIPTextConfig(
            hidden_size=768, projection_dim=768, vocab_size=514, num_hidden_layers=2
        )
        with self._device:
            tokenizer = make_t5_tokenizer()
            t5 = T5Config(vocab_size=len(tokenizer), d_model=4096, num_layers=1, num_heads=64)
            parts: dict[str, Any] = {
                "vae": AutoencoderKL.from_config(_FLUX_VAE),
                "text_encoder": CLIPTextModel(clip),
                "text_encoder_2": T5EncoderModel(t5),
                "transformer": FluxTransformer2DModel(num_layers=1, num_single_layers=1),
            }
        modules = {name: module.to(torch.float16) for name, module in parts.items()}
        pipeline: Any = FluxPipeline(
            scheduler=FlowMatchEulerDiscreteScheduler(),
            tokenizer=make_tokenizer(),
            tokenizer_2=tokenizer,
            **modules,
        )
        pipeline.save_pretrained(folder)


_TINY: dict[str, Callable[[Path], object]] = {
    "sd1": make_sd1,
    "sdxl": make_sdxl,
    "flux": make_flux,
}

# The published config of FLUX.1's autoencoder (black-forest-labs/FLUX.1-dev, vae/config.json).
_FLUX_VAE = {
    "block_out_channels": [128, 256, 512, 512],
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
    "latent_channels": 16,
    "layers_per_block": 2,
    "scaling_factor": 0.3611,
    "shift_factor": 0.1159,
    "use_quant_conv": False,
    "use_post_quant_conv": False,
    "force_upcast": True,
    "sample_size": 1024,
}
