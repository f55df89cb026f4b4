"""Inpainting when memory runs out, in batches, with other families, and before a second pass."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import FluxInpaintPipeline
from PIL import Image

from sdtui.core.errors import UnsupportedModelError
from sdtui.engine.generator import RobustStableDiffusionGenerator, generate
from sdtui.engine.pipeline_manager import StableDiffusionEngine
from sdtui.requests.record import Stage
from tests.support.faults import Fault, failing
from tests.support.images import difference
from tests.support.requests import make_request
from tests.support.tiny_models import make_sd1_inpainting
from tests.support.tiny_other_families import make_flux, make_latent_consistency

_SIDE = 64
_KEPT = (0, 0, 16, _SIDE)
"""Far enough from the mask that its blur doesn't reach it."""


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    values = np.random.default_rng(0).integers(0, 256, (_SIDE, _SIDE, 3), dtype=np.uint8)
    Image.fromarray(values).save(tmp_path / "init.png")
    return tmp_path / "init.png"


@pytest.fixture
def mask(tmp_path: Path) -> Path:
    """The right half is repainted."""
    image = Image.new("L", (_SIDE, _SIDE))
    image.paste(255, (32, 0, _SIDE, _SIDE))
    image.save(tmp_path / "mask.png")
    return tmp_path / "mask.png"


_request = partial(make_request, num_inference_steps=3, seed=1, width=None, height=None)


def _kept(image: Image.Image) -> bytes:
    return image.crop(_KEPT).tobytes()


@pytest.mark.parametrize("channels", [4, 9])
@pytest.mark.parametrize("stage", [Stage.PREPARE, Stage.DENOISE, Stage.DECODE])
def test_recovers_with_the_same_picture(
    engine: StableDiffusionEngine,
    tiny_sd1: Path,
    tmp_path: Path,
    picture: Path,
    mask: Path,
    stage: Stage,
    channels: int,
) -> None:
    folder = tiny_sd1 if channels == 4 else make_sd1_inpainting(tmp_path / "model")
    generator = RobustStableDiffusionGenerator(engine)
    wanted = _request(folder, init_image=picture, mask_image=mask, num_images_per_prompt=2)
    undisturbed = generator.generate_with_fallback(wanted)
    model = engine.load(wanted.model, wanted.execution.dtype)
    with failing(model, stage, Fault(2)):
        result = generator.generate_with_fallback(wanted)
    assert result.error is None
    assert [each.stage for each in result.record.attempts] == [stage, stage, None]
    for native, expected in zip(result.images, undisturbed.images, strict=True):
        assert difference(native, expected) <= 1  # a split batch rounds differently
        assert _kept(native) == _kept(Image.open(picture))


def test_picture_decoded_in_tiles_keeps_what_is_not_masked(
    engine: StableDiffusionEngine, tiny_sd1: Path, tmp_path: Path
) -> None:
    values = np.random.default_rng(0).integers(0, 256, (264, 520, 3), dtype=np.uint8)
    Image.fromarray(values).save(tmp_path / "large.png")
    mask = Image.new("L", (520, 264))
    mask.paste(255, (300, 0, 520, 264))
    mask.save(tmp_path / "right.png")
    request = _request(
        tiny_sd1,
        init_image=tmp_path / "large.png",
        mask_image=tmp_path / "right.png",
        width=520,
        height=264,
        strength=0.4,
    )
    model = engine.load(request.model, request.execution.dtype)
    with failing(model, Stage.DECODE, Fault(2)):
        result = RobustStableDiffusionGenerator(engine).generate_with_fallback(request)
    assert result.error is None
    assert result.record.settings is not None
    assert result.record.settings.vae_tiling
    kept = (0, 0, 270, 264)
    assert result.images[0].crop(kept).tobytes() == Image.fromarray(values).crop(kept).tobytes()


def test_second_pass_keeps_what_is_not_masked(
    shared_engine: StableDiffusionEngine, tiny_sd1: Path, picture: Path, mask: Path
) -> None:
    request = _request(tiny_sd1, init_image=picture, mask_image=mask, hires_scale=2)
    result = generate(shared_engine, request.changed(keep_size=True))
    assert result.images[0].size == (_SIDE, _SIDE)
    assert _kept(result.images[0]) == _kept(Image.open(picture))
    sized = request.changed(width=_SIDE, height=_SIDE)
    larger = generate(shared_engine, sized).images[0]
    original = Image.open(picture).resize((128, 128), Image.Resampling.LANCZOS)
    assert larger.size == (128, 128)
    assert _kept(larger) == _kept(original)


def test_second_pass_of_an_inpainting_model_sees_the_mask(
    shared_engine: StableDiffusionEngine, tmp_path: Path, picture: Path, mask: Path
) -> None:
    folder = make_sd1_inpainting(tmp_path / "model")
    size = {"width": _SIDE, "height": _SIDE, "hires_scale": 2}
    request = _request(folder, init_image=picture, mask_image=mask, **size)
    assert generate(shared_engine, request).images[0].size == (128, 128)


def test_flux_repaints_as_diffusers_does(
    shared_engine: StableDiffusionEngine, tmp_path: Path, picture: Path, mask: Path
) -> None:
    folder = make_flux(tmp_path / "flux")
    pipeline = FluxInpaintPipeline.from_pretrained(folder, dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    plain = pipeline(
        "a red cat",
        image=Image.open(picture),
        mask_image=Image.open(mask),
        width=_SIDE,
        height=_SIDE,
        num_inference_steps=3,
        strength=0.75,
        generator=torch.Generator().manual_seed(1),
        max_sequence_length=256,  # that of FLUX.1 schnell
    ).images[0]
    values = {"init_image": picture, "mask_image": mask, "mask_blur": 0, "soft_inpainting": True}
    result = generate(shared_engine, _request(folder, **{**values, "width": 64, "height": 64}))
    inside = (32, 0, _SIDE, _SIDE)
    assert difference(result.images[0].crop(inside), plain.crop(inside)) <= 1
    assert _kept(result.images[0]) == _kept(Image.open(picture))
    assert any("soft inpainting" in notice for notice in result.record.notices)


def test_model_that_can_not_inpaint_is_refused_before_it_is_loaded(
    engine: StableDiffusionEngine, tmp_path: Path, picture: Path, mask: Path
) -> None:
    folder = make_latent_consistency(tmp_path / "lcm")
    with pytest.raises(UnsupportedModelError, match="can't repaint a part"):
        generate(engine, _request(folder, init_image=picture, mask_image=mask))
    assert engine.loaded is None
