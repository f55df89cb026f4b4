"""The engine's pictures equal those of plain diffusers, pixel for pixel, in fp32."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import (
    DPMSolverMultistepScheduler,
    EDMEulerScheduler,
    EulerAncestralDiscreteScheduler,
    StableDiffusionImg2ImgPipeline,
    StableDiffusionPipeline,
    StableDiffusionXLImg2ImgPipeline,
    StableDiffusionXLPipeline,
)
from PIL import Image

from sdtui.engine.generator import generate
from sdtui.engine.pipeline_manager import StableDiffusionEngine
from sdtui.requests.request import GenerationRequest
from tests.support.images import difference
from tests.support.requests import make_request

_SAMPLERS = {
    "DPM++ 2M Karras": (DPMSolverMultistepScheduler, {"use_karras_sigmas": True}),
    "Euler a": (EulerAncestralDiscreteScheduler, {}),
}


def _plain(cls: Any, folder: Path, sampler: str, **arguments: Any) -> Image.Image:
    """Return a picture made by diffusers alone."""
    pipeline = cls.from_pretrained(folder, dtype=torch.float32)
    scheduler, settings = _SAMPLERS[sampler]
    pipeline.scheduler = scheduler.from_config(pipeline.scheduler.config, **settings)
    pipeline.set_progress_bar_config(disable=True)
    generator = torch.Generator("cpu").manual_seed(42)
    image = pipeline(num_inference_steps=6, generator=generator, **arguments).images[0]
    assert isinstance(image, Image.Image)
    return image


def _request(folder: Path, sampler: str, **values: Any) -> GenerationRequest:
    defaults = {"num_inference_steps": 6, "seed": 42, "width": None, "height": None}
    return make_request(folder, sampler=sampler, **{**defaults, **values})


@pytest.mark.parametrize("sampler", _SAMPLERS)
@pytest.mark.parametrize("negative", ["", "blurry"])
def test_sd1_picture_is_that_of_diffusers(
    shared_engine: StableDiffusionEngine, tiny_sd1: Path, sampler: str, negative: str
) -> None:
    arguments = {"guidance_scale": 6.0, "width": 128, "height": 64}
    plain = _plain(
        StableDiffusionPipeline,
        tiny_sd1,
        sampler,
        prompt="a red cat",
        negative_prompt=negative or None,
        **arguments,
    )
    native = generate(
        shared_engine, _request(tiny_sd1, sampler, negative_prompt=negative, **arguments)
    )
    assert difference(native.images[0], plain) == 0


@pytest.mark.parametrize("negative", ["", "blurry"])
def test_sdxl_picture_is_that_of_diffusers(
    shared_engine: StableDiffusionEngine, tiny_sdxl: Path, negative: str
) -> None:
    arguments = {"guidance_scale": 5.0, "width": 64, "height": 128}
    plain = _plain(
        StableDiffusionXLPipeline,
        tiny_sdxl,
        "Euler a",
        prompt="a red cat",
        negative_prompt=negative or None,
        **arguments,
    )
    native = generate(
        shared_engine, _request(tiny_sdxl, "Euler a", negative_prompt=negative, **arguments)
    )
    assert difference(native.images[0], plain) == 0


@pytest.mark.parametrize(
    ("pipeline", "fixture"),
    [
        (StableDiffusionImg2ImgPipeline, "tiny_sd1"),
        (StableDiffusionXLImg2ImgPipeline, "tiny_sdxl"),
    ],
)
@pytest.mark.parametrize("sampler", _SAMPLERS)
def test_image_to_image_picture_is_that_of_diffusers(
    shared_engine: StableDiffusionEngine,
    pipeline: Any,
    fixture: str,
    sampler: str,
    request: pytest.FixtureRequest,
    tmp_path: Path,
) -> None:
    folder: Path = request.getfixturevalue(fixture)
    gradient = Image.linear_gradient("L").resize((128, 64)).convert("RGB")
    gradient.save(tmp_path / "init.png")
    plain = _plain(
        pipeline,
        folder,
        sampler,
        prompt="a red cat",
        image=gradient,
        strength=0.6,
        guidance_scale=6.0,
    )
    native = generate(
        shared_engine,
        _request(
            folder,
            sampler,
            init_image=tmp_path / "init.png",
            strength=0.6,
            guidance_scale=6.0,
            width=128,
            height=64,
        ),
    )
    assert difference(native.images[0], plain) == 0


def test_picture_without_guidance_is_that_of_diffusers(
    shared_engine: StableDiffusionEngine, tiny_sdxl: Path
) -> None:
    plain = _plain(
        StableDiffusionXLPipeline, tiny_sdxl, "Euler a", prompt="a red cat", guidance_scale=0.0
    )
    native = generate(shared_engine, _request(tiny_sdxl, "Euler a", guidance_scale=0.0))
    assert difference(native.images[0], plain) == 0


@pytest.mark.parametrize("fixture", ["tiny_sd1", "tiny_sdxl"])
def test_same_seed_makes_the_same_picture(
    shared_engine: StableDiffusionEngine, fixture: str, request: pytest.FixtureRequest
) -> None:
    wanted = _request(request.getfixturevalue(fixture), "Euler a")
    first, second = (generate(shared_engine, wanted).images[0] for _ in range(2))
    assert difference(first, second) == 0


@pytest.mark.parametrize("fixture", ["tiny_sd1", "tiny_sdxl"])
def test_batch_picture_is_that_of_its_seed_alone(
    shared_engine: StableDiffusionEngine, fixture: str, request: pytest.FixtureRequest
) -> None:
    folder = request.getfixturevalue(fixture)
    batch = generate(shared_engine, _request(folder, "Euler a", num_images_per_prompt=3))
    assert batch.record.settings is not None
    assert batch.record.settings.batch_size == 3
    alone = generate(shared_engine, _request(folder, "Euler a", seed=44))
    assert batch.record.images[2].seed == 44
    assert difference(batch.images[2], alone.images[0]) <= 1


def test_another_seed_makes_another_picture(
    shared_engine: StableDiffusionEngine, tiny_sd1: Path
) -> None:
    one = generate(shared_engine, _request(tiny_sd1, "Euler a", seed=1)).images[0]
    other = generate(shared_engine, _request(tiny_sd1, "Euler a", seed=2)).images[0]
    assert difference(one, other) > 20


def test_picture_of_an_edm_model_is_that_of_diffusers(
    shared_engine: StableDiffusionEngine, tiny_sdxl: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(tiny_sdxl, tmp_path / "edm"))
    scheduler: Any = EDMEulerScheduler()
    scheduler.save_pretrained(folder / "scheduler")
    index = folder / "model_index.json"
    parts = json.loads(index.read_text())
    parts["scheduler"] = ["diffusers", "EDMEulerScheduler"]
    index.write_text(json.dumps(parts))
    pipeline: Any = StableDiffusionXLPipeline.from_pretrained(folder, dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    plain = pipeline(
        "a red cat",
        num_inference_steps=3,
        width=64,
        height=64,
        generator=torch.Generator().manual_seed(1),
    ).images[0]
    request = make_request(folder, num_inference_steps=3, seed=1, sampler=None)
    assert difference(generate(shared_engine, request).images[0], plain) <= 1
