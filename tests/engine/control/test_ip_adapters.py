"""Pictures with IP-Adapters equal those of diffusers' `load_ip_adapter`, pixel for pixel."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import (
    EulerAncestralDiscreteScheduler,
    StableDiffusionImg2ImgPipeline,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
)
from PIL import Image

from sdtui.core.errors import ModelNotFoundError, UnsupportedModelError
from sdtui.core.settings import Settings
from sdtui.engine.generator import RobustStableDiffusionGenerator, generate
from sdtui.engine.pipeline_manager import StableDiffusionEngine
from sdtui.requests.request import GenerationRequest
from tests.support.images import difference
from tests.support.requests import make_request
from tests.support.tiny_ip_adapters import make_image_encoder, make_ip_adapter


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, tiny_sd1: Path, tiny_sdxl: Path) -> Path:
    """Adapters with their image encoder, as their authors publish them."""
    folder = tmp_path_factory.mktemp("adapters")
    make_image_encoder(folder / "image_encoder")
    make_ip_adapter(tiny_sd1, folder / "base.safetensors")
    make_ip_adapter(tiny_sd1, folder / "plus.safetensors", is_plus=True, seed=2)
    make_ip_adapter(tiny_sdxl, folder / "xl.safetensors", seed=3)
    return folder


@pytest.fixture(scope="module")
def engine(folder: Path) -> Iterator[StableDiffusionEngine]:
    with StableDiffusionEngine(Settings(device="cpu", ip_adapter_folders=(folder,))) as engine:
        yield engine


def _request(model: Path, *adapters: str, **values: Any) -> GenerationRequest:
    usual = {"num_inference_steps": 6, "seed": 42, "sampler": "Euler a", "guidance_scale": 6.0}
    return make_request(model, ip_adapters=adapters, **{**usual, **values})


def _plain(
    cls: Any, model: Path, folder: Path, names: list[str], weights: list[float], **values: Any
) -> Image.Image:
    """Return a picture made by diffusers alone."""
    pipeline = cls.from_pretrained(model, dtype=torch.float32)
    pipeline.scheduler = EulerAncestralDiscreteScheduler.from_config(pipeline.scheduler.config)
    pipeline.set_progress_bar_config(disable=True)
    files = [f"{name}.safetensors" for name in names]
    pipeline.load_ip_adapter(
        str(folder), subfolder="", weight_name=files, image_encoder_folder="image_encoder"
    )
    pipeline.set_ip_adapter_scale(weights)
    generator = torch.Generator("cpu").manual_seed(42)
    usual = {"num_inference_steps": 6, "guidance_scale": 6.0}
    image = pipeline("a red cat", generator=generator, **{**usual, **values}).images[0]
    assert isinstance(image, Image.Image)
    return image


@pytest.mark.parametrize("names", [["base"], ["plus"], ["base", "plus"]])
def test_picture_is_that_of_diffusers(
    engine: StableDiffusionEngine, tiny_sd1: Path, folder: Path, picture: Path, names: list[str]
) -> None:
    weights = [0.7, 0.4][: len(names)]
    plain = _plain(
        StableDiffusionPipeline,
        tiny_sd1,
        folder,
        names,
        weights,
        ip_adapter_image=[Image.open(picture)] * len(names),
        width=64,
        height=64,
    )
    entries = [f"{name}:{picture}:{each}" for name, each in zip(names, weights, strict=True)]
    ours = generate(engine, _request(tiny_sd1, *entries))
    assert difference(ours.images[0], plain) == 0
    assert difference(generate(engine, _request(tiny_sd1)).images[0], plain) > 0


def test_picture_of_sdxl_is_that_of_diffusers(
    engine: StableDiffusionEngine, tiny_sdxl: Path, folder: Path, picture: Path
) -> None:
    plain = _plain(
        StableDiffusionXLPipeline,
        tiny_sdxl,
        folder,
        ["xl"],
        [0.6],
        ip_adapter_image=Image.open(picture),
        width=64,
        height=64,
    )
    ours = generate(engine, _request(tiny_sdxl, f"xl:{picture}:0.6"))
    assert difference(ours.images[0], plain) == 0


def test_image_to_image_picture_is_that_of_diffusers(
    engine: StableDiffusionEngine, tiny_sd1: Path, folder: Path, picture: Path
) -> None:
    init = Image.open(picture)
    plain = _plain(
        StableDiffusionImg2ImgPipeline,
        tiny_sd1,
        folder,
        ["base"],
        [0.7],
        ip_adapter_image=init,
        image=init,
        strength=0.6,
    )
    wanted = _request(tiny_sd1, "base::0.7", init_image=picture, strength=0.6, width=128)
    assert difference(generate(engine, wanted).images[0], plain) == 0


def test_model_has_its_own_layers_back_afterwards(
    engine: StableDiffusionEngine, tiny_sd1: Path, picture: Path
) -> None:
    plain = generate(engine, _request(tiny_sd1))
    assert engine.loaded is not None
    unet = engine.loaded.denoiser
    before = dict(unet.attn_processors)
    generate(engine, _request(tiny_sd1, f"base:{picture}"))
    assert dict(unet.attn_processors) == before
    assert unet.encoder_hid_proj is None
    assert not unet._forward_pre_hooks
    assert difference(generate(engine, _request(tiny_sd1)).images[0], plain.images[0]) == 0


def test_batches_guidance_and_shares_of_the_steps(
    engine: StableDiffusionEngine, tiny_sd1: Path, picture: Path
) -> None:
    entry = f"base:{picture}:0.8"
    for guidance in (1.0, 6.0):
        values = {"guidance_scale": guidance, "num_inference_steps": 3}
        several = generate(engine, _request(tiny_sd1, entry, num_images_per_prompt=2, **values))
        second = generate(engine, _request(tiny_sd1, entry, **{**values, "seed": 43}))
        assert difference(several.images[1], second.images[0]) <= 1
    whole = generate(engine, _request(tiny_sd1, entry)).images[0]
    half = generate(engine, _request(tiny_sd1, f"{entry},end=0.5")).images[0]
    assert difference(whole, half) > 0
    parts = _request(tiny_sd1, entry, prompt="a cat AND a dog")
    assert generate(engine, parts).error is None


def test_adapter_of_another_model_is_refused_before_it_is_loaded(
    engine: StableDiffusionEngine, tiny_sd1: Path, picture: Path
) -> None:
    engine.unload()
    wanted = _request(tiny_sd1, f"xl:{picture}")
    result = RobustStableDiffusionGenerator(engine).generate_with_fallback(wanted)
    assert isinstance(result.error, UnsupportedModelError)
    assert engine.loaded is None


def test_missing_image_encoder_is_named(
    tiny_sd1: Path, folder: Path, picture: Path, tmp_path: Path
) -> None:
    alone = tmp_path / "alone" / "base.safetensors"
    alone.parent.mkdir()
    alone.write_bytes((folder / "base.safetensors").read_bytes())
    with StableDiffusionEngine(Settings(device="cpu")) as engine:
        wanted = _request(tiny_sd1, f"{alone}:{picture}")
        result = RobustStableDiffusionGenerator(engine).generate_with_fallback(wanted)
    assert isinstance(result.error, ModelNotFoundError)
    assert "clip_vision_folders" in str(result.error)
