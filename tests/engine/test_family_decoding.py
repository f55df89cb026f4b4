"""Decoding apart from the pipeline's call: every family's latents as its VAE takes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from sdtui.core.enums import Policy
from sdtui.engine.generator import RobustStableDiffusionGenerator, generate
from sdtui.engine.pipeline_manager import StableDiffusionEngine
from sdtui.requests.record import Stage
from tests.support.events import Events
from tests.support.faults import Fault, failing
from tests.support.images import difference
from tests.support.requests import make_request
from tests.support.tiny_transformers import make_tiny

_VALUES: dict[str, Any] = {"num_inference_steps": 2, "width": 128, "height": 96}


def _saved(pipeline: Any, folder: Path) -> Path:
    if not folder.exists():
        pipeline.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("families")


@pytest.mark.parametrize("name", ["flux2_klein", "krea2", "sana", "sd3"])
def test_decoding_runs_again_in_tiles_without_new_steps(
    shared_engine: StableDiffusionEngine, models: Path, name: str, events: Events
) -> None:
    # Below a tile's size the ladder doesn't tile.
    values = {**_VALUES, "width": 320, "height": 64}
    request = make_request(
        _saved(make_tiny(name), models / name),
        num_images_per_prompt=2,
        policy=Policy.STRICT,
        **values,
    )
    whole = generate(shared_engine, request)
    loaded = shared_engine.loaded
    assert loaded is not None
    generator = RobustStableDiffusionGenerator(shared_engine)
    with failing(loaded, Stage.DECODE, Fault(times=3)):
        result = generator.generate_with_fallback(request, report=events)
    assert result.error is None
    assert [each.rung for each in result.record.attempts] == [
        None,
        "free caches",
        "VAE slicing",
        "VAE tiling",
    ]
    assert events.kinds().count("step") == 2
    assert [image.size for image in result.images] == [(320, 64)] * 2
    assert all(
        _mean_difference(*pair) < 8 for pair in zip(result.images, whole.images, strict=True)
    )


def _mean_difference(one: Image.Image, other: Image.Image) -> float:
    pixels = [torch.tensor(list(image.tobytes()), dtype=torch.float32) for image in (one, other)]
    return float((pixels[0] - pixels[1]).abs().mean())


def test_broken_pictures_of_any_family_are_decoded_again_in_float32(
    shared_engine: StableDiffusionEngine, models: Path
) -> None:
    folder = _saved(make_tiny("qwen_image"), models / "qwen_image")
    request = make_request(folder, dtype="bfloat16", **_VALUES)
    generate(shared_engine, request)
    loaded = shared_engine.loaded
    assert loaded is not None
    broken = loaded.pipeline.vae.decoder.register_forward_hook(
        lambda _module, _given, made: made * float("nan")
    )
    try:
        result = generate(shared_engine, request)
    finally:
        broken.remove()
    assert "decoding them again in float32" in result.record.notices[0]
    assert result.images[0].size == (128, 96)


def test_pipeline_has_its_own_vae_again_after_a_failed_call(
    shared_engine: StableDiffusionEngine, models: Path
) -> None:
    request = make_request(_saved(make_tiny("z_image"), models / "z_image"), **_VALUES)
    generate(shared_engine, request)
    loaded = shared_engine.loaded
    assert loaded is not None
    vae = loaded.pipeline.vae
    hook = loaded.denoiser.register_forward_pre_hook(Fault(times=1))
    generator = RobustStableDiffusionGenerator(shared_engine)
    try:
        result = generator.generate_with_fallback(request)
    finally:
        hook.remove()
    assert result.error is None
    assert loaded.pipeline.vae is vae
    assert isinstance(vae, torch.nn.Module)


@pytest.mark.parametrize("name", ["qwen_image", "flux2_klein"])
def test_picture_from_an_init_image_is_the_same_alone_and_in_a_batch(
    shared_engine: StableDiffusionEngine, models: Path, tmp_path: Path, name: str
) -> None:
    Image.linear_gradient("L").convert("RGB").save(tmp_path / "init.png")
    request = make_request(
        _saved(make_tiny(name), models / name),
        init_image=tmp_path / "init.png",
        strength=0.6,
        **{**_VALUES, "num_inference_steps": 4},
    )
    batch = generate(shared_engine, request.changed(num_images_per_prompt=2)).images
    alone = [generate(shared_engine, request.changed(seed=seed)).images[0] for seed in (7, 8)]
    pairs = zip(batch, alone, strict=True)
    assert all(difference(*pair) <= 2 for pair in pairs)


@pytest.mark.parametrize("name", ["flux2_klein", "qwen_image", "sana"])
def test_fast_preset_works_with_transformers(
    shared_engine: StableDiffusionEngine, models: Path, name: str
) -> None:
    folder = _saved(make_tiny(name), models / name)
    result = generate(shared_engine, make_request(folder, speed="fast", **_VALUES))
    assert result.images[0].size == (128, 96)
    assert result.record.settings is not None
    assert "step cache 0.05" in result.record.settings.speedups
