"""Upscaling in runs: after a generation, and of pictures that are there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from sdtui.core.cancellation import Cancellation
from sdtui.core.errors import ImageError, InvalidRequestError, ModelNotFoundError
from sdtui.core.settings import Settings
from sdtui.engine.generator import RobustStableDiffusionGenerator
from sdtui.engine.pipeline_manager import StableDiffusionEngine
from sdtui.engine.result import GenerationResult
from sdtui.engine.upscaling.model import UpscalerModel
from sdtui.engine.upscaling.upscaler import UpscalingContext
from sdtui.models.hashing import hash_content
from sdtui.requests.record import Stage
from sdtui.requests.request import GenerationRequest
from tests.support.events import Events
from tests.support.spandrel import needs_spandrel
from tests.support.upscalers import save_upscaler, tiny_esrgan


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("upscalers")
    save_upscaler(folder / "2x-tiny.safetensors", tiny_esrgan(scale=2))
    Image.new("RGB", (64, 48), "red").save(folder / "red.png")
    return folder


@pytest.fixture
def generator(folder: Path) -> RobustStableDiffusionGenerator:
    settings = Settings(device="cpu", upscaler_folders=(folder,))
    return RobustStableDiffusionGenerator(StableDiffusionEngine(settings))


def _upscale(
    generator: RobustStableDiffusionGenerator, picture: Path, events: Events, **values: Any
) -> GenerationResult:
    given = {"prompt": "", "upscale_image": picture, "upscale_factor": 2, **values}
    request = GenerationRequest.parse(given, prompt_needed=False)
    return generator.generate_with_fallback(request, report=events.append)


def test_picture_is_upscaled_without_loading_a_model(
    generator: RobustStableDiffusionGenerator, folder: Path, events: Events
) -> None:
    result = _upscale(generator, folder / "red.png", events)
    assert result.error is None
    assert result.images[0].size == (128, 96)
    assert generator.engine.loaded is None
    assert {each.kind for each in events} == {"stage"}
    assert len(result.record.parents) == 1
    assert list(result.record.timings) == [Stage.UPSCALE]


@needs_spandrel
def test_tiles_and_the_expected_memory_are_reported(
    generator: RobustStableDiffusionGenerator, folder: Path, events: Events
) -> None:
    result = _upscale(generator, folder / "red.png", events, upscaler="2X-Tiny")
    assert result.record.settings is not None
    values = result.record.settings.model_dump()
    assert values["upscaler"] == "2x-tiny"
    assert values["upscaler_hash"] == hash_content(folder / "2x-tiny.safetensors")
    kinds = [each.kind for each in events]
    assert kinds == ["stage", "estimated", "tile"]
    assert result.record.memory is not None
    assert result.record.memory.estimate is not None


@pytest.mark.parametrize("visibility", [0, 0.5, 1])
def test_second_upscaler_is_laid_over_the_first(
    generator: RobustStableDiffusionGenerator,
    tmp_path: Path,
    events: Events,
    visibility: float,
) -> None:
    picture = Image.new("L", (2, 1))
    picture.putpixel((1, 0), 255)
    picture.save(tmp_path / "edge.png")
    values = {"second_upscaler": "Nearest", "second_upscaler_visibility": visibility}
    result = _upscale(generator, tmp_path / "edge.png", events, upscale_factor=8, **values)
    lanczos = picture.resize((16, 8), Image.Resampling.LANCZOS).getpixel((8, 0))
    assert isinstance(lanczos, int)
    shown = result.images[0].getpixel((8, 0))
    assert isinstance(shown, int)
    assert abs(shown - (lanczos + (255 - lanczos) * visibility)) <= 1


def test_width_and_height_crop_about_the_centre(
    generator: RobustStableDiffusionGenerator, folder: Path, events: Events
) -> None:
    values = {"upscale_factor": None, "upscale_width": 100, "upscale_height": 100}
    result = _upscale(generator, folder / "red.png", events, **values)
    assert result.images[0].size == (100, 100)


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ({"upscaler": "unknown"}, ModelNotFoundError),
        ({"upscale_image": Path("/nowhere.png")}, ImageError),
    ],
)
def test_wrong_values_are_errors_before_anything_is_done(
    generator: RobustStableDiffusionGenerator,
    folder: Path,
    events: Events,
    values: dict[str, Any],
    error: type[Exception],
) -> None:
    result = _upscale(generator, folder / "red.png", events, **values)
    assert isinstance(result.error, error)
    assert not events


def test_picture_that_would_become_too_large_is_refused(
    generator: RobustStableDiffusionGenerator, tmp_path: Path, events: Events
) -> None:
    Image.new("L", (3000, 10)).save(tmp_path / "wide.png")
    result = _upscale(generator, tmp_path / "wide.png", events, upscale_factor=8)
    assert isinstance(result.error, InvalidRequestError)
    assert "24000" in str(result.error)


@needs_spandrel
def test_memory_that_runs_out_in_the_smallest_tile_is_retried_and_told(
    generator: RobustStableDiffusionGenerator,
    folder: Path,
    events: Events,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def run_out(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(UpscalerModel, "apply", run_out)
    result = _upscale(generator, folder / "red.png", events, upscaler="2x-tiny")
    assert "memory ran out in the upscale stage" in str(result.error)
    assert [each.rung for each in result.record.attempts] == [None, "free caches"]


@needs_spandrel
def test_generated_picture_is_upscaled_after_it_is_decoded(
    generator: RobustStableDiffusionGenerator, folder: Path, events: Events
) -> None:
    with generator.engine:
        request = GenerationRequest.parse(
            {
                "prompt": "a red apple",
                "num_inference_steps": 1,
                "width": 64,
                "height": 64,
                "seed": 1,
                "upscale_factor": 2,
                "upscaler": "2x-tiny",
            }
        )
        upscaled = generator.generate_with_fallback(request, report=events.append)
        plain = generator.generate_with_fallback(request.changed(upscale_factor=None))
        device = UpscalingContext(generator.engine.device)
        upscaler = generator.engine.upscalers.find("2x-tiny")
        expected = upscaler.upscale(plain.images[0], 128, 128, device)
    assert upscaled.images[0].tobytes() == expected.tobytes()
    stages = [each.stage for each in events if each.kind == "stage"]
    assert stages[-2:] == [Stage.DECODE, Stage.UPSCALE]
    settings, image = upscaled.record.settings, upscaled.record.images[0]
    assert settings is not None
    assert (settings.width, image.width) == (64, 128)


def test_cancelled_upscaling_has_no_picture(
    generator: RobustStableDiffusionGenerator, folder: Path
) -> None:
    cancellation = Cancellation()
    cancellation.stop_now()
    request = GenerationRequest.parse(
        {"prompt": "", "upscale_image": folder / "red.png"}, prompt_needed=False
    )
    result = generator.generate_with_fallback(request, cancellation=cancellation)
    assert result.record.cancelled
    assert not result.images
