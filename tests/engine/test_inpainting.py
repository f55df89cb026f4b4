"""Inpainting and outpainting: as diffusers, and the rest of the picture as it was."""

from __future__ import annotations

import hashlib
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

from sdtui.core.errors import ImageError
from sdtui.engine.generator import generate
from sdtui.engine.pipeline_manager import StableDiffusionEngine
from sdtui.requests.request import GenerationRequest
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


@pytest.fixture
def painted(tmp_path: Path) -> Path:
    """A picture of noise, so that a pixel that moves or changes shows."""
    values = np.random.default_rng(0).integers(0, 256, (72, 136, 3), dtype=np.uint8)
    Image.fromarray(values).save(tmp_path / "noise.png")
    return tmp_path / "noise.png"


@pytest.fixture
def blot(tmp_path: Path) -> Path:
    """A mask of the same size."""
    image = Image.new("L", (136, 72))
    image.paste(255, (40, 24, 80, 48))
    image.save(tmp_path / "blot.png")
    return tmp_path / "blot.png"


@pytest.mark.parametrize(
    ("values", "size"),
    [({}, (256, 128)), ({"keep_size": True}, _SIZE), ({"only_masked": True}, _SIZE)],
)
def test_hires_makes_a_repainted_picture_larger_unless_it_keeps_its_size(
    shared_engine: StableDiffusionEngine,
    tiny_sd1: Path,
    picture: Path,
    mask: Path,
    values: dict[str, Any],
    size: tuple[int, int],
) -> None:
    repainted = {"init_image": picture, "mask_image": mask, "num_inference_steps": 2}
    image = _native(shared_engine, tiny_sd1, **repainted, hires_scale=2, **values)
    assert image.size == size
    enlarged = Image.open(picture).convert("RGB").resize(size, Image.Resampling.LANCZOS)
    corner = (0, 0, size[0] // 8, size[1] // 8)
    assert difference(image.crop(corner), enlarged.crop(corner)) == 0


_WAYS: dict[str, dict[str, Any]] = {
    "own size": {},
    "another size for the model": {"width": 64, "height": 64, "keep_size": True},
    "only masked": {"only_masked": True, "masked_padding": 8},
    "soft": {"soft_inpainting": True, "mask_blur": 4},
    "blurred": {"mask_blur": 6},
    "noise": {"inpaint_fill": "noise"},
    "nothing": {"inpaint_fill": "nothing"},
    "fill": {"inpaint_fill": "fill"},
}


@pytest.mark.parametrize("way", _WAYS)
def test_pixels_far_from_the_mask_stay_exactly(
    shared_engine: StableDiffusionEngine, tiny_sd1: Path, painted: Path, blot: Path, way: str
) -> None:
    result = _native(
        shared_engine, tiny_sd1, init_image=painted, mask_image=blot, strength=1, **_WAYS[way]
    )
    before, after = np.array(Image.open(painted)), np.array(result)
    changed = (before != after).any(axis=2)
    assert changed[28:44, 44:76].mean() > 0.9
    far = np.ones_like(changed)
    far[24 - 17 : 48 + 17, 40 - 17 : 80 + 17] = False
    assert after.shape == before.shape
    assert not changed[far].any()


def test_given_size_is_that_of_the_picture(
    shared_engine: StableDiffusionEngine, tiny_sd1: Path, painted: Path, blot: Path
) -> None:
    size = {"width": 64, "height": 64}
    result = _native(shared_engine, tiny_sd1, init_image=painted, mask_image=blot, **size)
    assert result.size == (64, 64)


def test_inverted_mask_keeps_what_the_mask_shows(
    shared_engine: StableDiffusionEngine, tiny_sd1: Path, painted: Path, blot: Path
) -> None:
    values = {"init_image": painted, "mask_image": blot, "mask_invert": True, "strength": 1}
    result = _native(shared_engine, tiny_sd1, **values)
    inside = (40, 24, 80, 48)
    assert result.crop(inside).tobytes() == Image.open(painted).crop(inside).tobytes()


def test_transparent_part_is_the_mask(
    shared_engine: StableDiffusionEngine, tiny_sd1: Path, painted: Path, tmp_path: Path
) -> None:
    picture = Image.open(painted).convert("RGBA")
    picture.paste((0, 0, 0, 0), (0, 0, 64, 72))
    picture.save(tmp_path / "erased.png")
    values = {"init_image": tmp_path / "erased.png", "mask_image": "alpha", "strength": 1}
    result = _native(shared_engine, tiny_sd1, **values)
    rest = (64, 0, 136, 72)
    assert result.crop(rest).tobytes() == Image.open(painted).crop(rest).tobytes()


@pytest.mark.parametrize("channels", [4, 9])
def test_outpainting_keeps_the_picture_and_adds_to_it(
    shared_engine: StableDiffusionEngine,
    models: dict[tuple[str, int], Path],
    painted: Path,
    channels: int,
) -> None:
    result = generate(
        shared_engine,
        make_request(
            models["sd1", channels],
            init_image=painted,
            outpaint="right=24,top=64",
            width=None,
            height=None,
        ),
    )
    assert result.error is None
    assert result.images[0].size == (160, 136)
    kept = (0, 24, 112, 72)  # overlap and blur are repainted too
    placed = result.images[0].crop((0, 64 + 24, 112, 64 + 72))
    assert placed.tobytes() == Image.open(painted).crop(kept).tobytes()
    assert result.record.settings is not None
    assert result.record.values()["outpaint"] == "top=64,right=24"
    assert result.record.values()["strength"] == 1


def test_inpainting_model_makes_pictures_from_text_as_diffusers_with_a_white_mask(
    shared_engine: StableDiffusionEngine, models: dict[tuple[str, int], Path]
) -> None:
    folder = models["sd1", 9]
    pipeline = StableDiffusionInpaintPipeline.from_pretrained(folder, dtype=torch.float32)
    pipeline.scheduler = EulerAncestralDiscreteScheduler.from_config(pipeline.scheduler.config)
    pipeline.set_progress_bar_config(disable=True)
    grey = torch.zeros((1, 3, 64, 128))
    with torch.no_grad():
        hidden = pipeline.vae.encode(grey).latent_dist.mean * pipeline.vae.config.scaling_factor
    plain = pipeline(
        prompt="a red cat",
        image=grey,
        mask_image=Image.new("L", _SIZE, 255),
        masked_image_latents=hidden,
        width=_SIZE[0],
        height=_SIZE[1],
        strength=1.0,
        guidance_scale=6.0,
        num_inference_steps=6,
        generator=torch.Generator("cpu").manual_seed(42),
    ).images[0]
    values = {"sampler": "Euler a", "guidance_scale": 6.0, "width": 128, "height": 64}
    request = make_request(folder, num_inference_steps=6, seed=42, **values)
    assert difference(generate(shared_engine, request).images[0], plain) == 0


def test_black_mask_is_refused_before_the_model_is_loaded(
    engine: StableDiffusionEngine, tiny_sd1: Path, painted: Path, tmp_path: Path
) -> None:
    Image.new("L", (8, 8)).save(tmp_path / "black.png")
    values = {"init_image": painted, "mask_image": tmp_path / "black.png"}
    for more in ({}, {"strength": 0.0, "only_masked": True}):
        with pytest.raises(ImageError, match="black throughout"):
            generate(engine, make_request(tiny_sd1, **values, **more))
    assert engine.loaded is None


def test_picture_and_mask_are_the_parents(
    shared_engine: StableDiffusionEngine, tiny_sd1: Path, painted: Path, blot: Path
) -> None:
    values = {"init_image": painted, "mask_image": blot}
    result = generate(shared_engine, make_request(tiny_sd1, **values))
    hashes = [hashlib.sha256(path.read_bytes()).hexdigest() for path in (painted, blot)]
    assert list(result.record.parents) == hashes


def test_recorded_values_make_the_same_picture(
    shared_engine: StableDiffusionEngine, tiny_sd1: Path, tmp_path: Path
) -> None:
    Image.effect_noise((300, 500), 90).save(tmp_path / "large.png")
    Image.new("L", (10, 10), 255).save(tmp_path / "mask.png")
    values = {"init_image": tmp_path / "large.png", "mask_image": tmp_path / "mask.png"}
    first = generate(shared_engine, make_request(tiny_sd1, width=None, height=None, **values))
    assert first.images[0].size == (300, 500)
    again = generate(shared_engine, GenerationRequest.parse(first.record.values()))
    assert again.images[0].tobytes() == first.images[0].tobytes()
