"""Inpainting and outpainting: as diffusers, and the rest of the picture as it was."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import (
    DPMSolverMultistepScheduler,
    EulerAncestralDiscreteScheduler,
    StableDiffusionInpaintPipeline,
    StableDiffusionXLInpaintPipeline,
)
from PIL import Image

from sdtui.engine.generator import generate
from sdtui.engine.pipeline_manager import StableDiffusionEngine
from tests.support.images import difference
from tests.support.requests import make_request
from tests.support.tiny_models import make_sd1_inpainting, make_sdxl_inpainting

_SIZE = (128, 64)
_SAMPLERS = {
    "DPM++ 2M Karras": (DPMSolverMultistepScheduler, {"use_karras_sigmas": True}),
    "Euler a": (EulerAncestralDiscreteScheduler, {}),
}
_PIPELINES: dict[str, Any] = {
    "sd1": StableDiffusionInpaintPipeline,
    "sdxl": StableDiffusionXLInpaintPipeline,
}


@pytest.fixture(scope="module")
def models(
    tiny_sd1: Path, tiny_sdxl: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[tuple[str, int], Path]:
    folder = tmp_path_factory.mktemp("inpainting")
    return {
        ("sd1", 4): tiny_sd1,
        ("sdxl", 4): tiny_sdxl,
        ("sd1", 9): make_sd1_inpainting(folder / "sd1"),
        ("sdxl", 9): make_sdxl_inpainting(folder / "sdxl"),
    }


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    Image.linear_gradient("L").resize(_SIZE).convert("RGB").save(tmp_path / "init.png")
    return tmp_path / "init.png"


@pytest.fixture
def mask(tmp_path: Path) -> Path:
    """The middle is repainted."""
    image = Image.new("L", _SIZE)
    image.paste(255, (32, 16, 96, 48))
    image.save(tmp_path / "mask.png")
    return tmp_path / "mask.png"


def _plain(folder: Path, pipeline_class: Any, sampler: str, picture: Path, mask: Path) -> Any:
    """Return a picture of diffusers alone."""
    pipeline = pipeline_class.from_pretrained(folder, dtype=torch.float32)
    scheduler, settings = _SAMPLERS[sampler]
    pipeline.scheduler = scheduler.from_config(pipeline.scheduler.config, **settings)
    pipeline.set_progress_bar_config(disable=True)
    image, repainted = Image.open(picture), Image.open(mask)
    pixels = pipeline.image_processor.preprocess(image)
    kept = torch.from_numpy(np.array(repainted)) < 128
    with torch.no_grad():
        masked = pipeline.vae.encode(pixels * kept).latent_dist.mean
    return pipeline(
        prompt="a red cat",
        image=image,
        mask_image=repainted,
        # Its sample of these latents would depend on what else the generator has drawn.
        masked_image_latents=masked * pipeline.vae.config.scaling_factor,
        width=_SIZE[0],
        height=_SIZE[1],
        strength=0.6,
        guidance_scale=6.0,
        num_inference_steps=6,
        generator=torch.Generator("cpu").manual_seed(42),
    ).images[0]


def _native(engine: StableDiffusionEngine, folder: Path, **values: Any) -> Image.Image:
    defaults: dict[str, Any] = {
        "num_inference_steps": 6,
        "seed": 42,
        "width": None,
        "height": None,
        "mask_blur": 0,
    }
    result = generate(engine, make_request(folder, **{**defaults, **values}))
    assert result.error is None
    return result.images[0]


@pytest.mark.parametrize("sampler", _SAMPLERS)
@pytest.mark.parametrize("channels", [4, 9])
@pytest.mark.parametrize("family", ["sd1", "sdxl"])
def test_repainted_part_is_that_of_diffusers(
    shared_engine: StableDiffusionEngine,
    models: dict[tuple[str, int], Path],
    picture: Path,
    mask: Path,
    family: str,
    channels: int,
    sampler: str,
) -> None:
    folder = models[family, channels]
    plain = _plain(folder, _PIPELINES[family], sampler, picture, mask)
    native = _native(
        shared_engine,
        folder,
        sampler=sampler,
        init_image=picture,
        mask_image=mask,
        strength=0.6,
        guidance_scale=6.0,
    )
    inside = (32, 16, 96, 48)
    assert difference(native.crop(inside), plain.crop(inside)) == 0
