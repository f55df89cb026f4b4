"""Passes with another model: the refiner of SDXL, and the second pass of hires."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import StableDiffusionXLImg2ImgPipeline, StableDiffusionXLPipeline
from PIL import Image

from sdtui.core.enums import MemoryMode
from sdtui.core.errors import ModelNotFoundError, UnsupportedModelError
from sdtui.engine.generator import RobustStableDiffusionGenerator, generate
from sdtui.engine.pipeline_manager import StableDiffusionEngine
from sdtui.requests.events import Step
from sdtui.requests.record import Stage
from tests.support.events import Events
from tests.support.faults import cuda_out_of_memory
from tests.support.images import difference
from tests.support.requests import make_request
from tests.support.tiny_models import make_sdxl, make_sdxl_refiner

_STEPS = 10


@pytest.fixture(scope="module")
def refiner(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_sdxl_refiner(tmp_path_factory.mktemp("models") / "refiner")


@pytest.fixture(scope="module")
def other_sdxl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_sdxl(tmp_path_factory.mktemp("models") / "other", seed=5)


def _request(model: Path, **values: Any) -> Any:
    defaults = {"num_inference_steps": _STEPS, "guidance_scale": 4.0, "sampler": "Euler"}
    return make_request(model, **{**defaults, **values})


def _by_diffusers(base: Path, refiner: Path, switch_at: float) -> Image.Image:
    call = {"prompt": "a red cat", "num_inference_steps": _STEPS, "guidance_scale": 4.0}
    first: Any = StableDiffusionXLPipeline.from_pretrained(base, dtype=torch.float32)
    latents = first(
        **call,
        width=64,
        height=64,
        denoising_end=switch_at,
        output_type="latent",
        generator=torch.Generator("cpu").manual_seed(7),
    ).images
    second: Any = StableDiffusionXLImg2ImgPipeline.from_pretrained(refiner, dtype=torch.float32)
    image = second(**call, image=latents, denoising_start=switch_at).images[0]
    assert isinstance(image, Image.Image)
    return image


@pytest.mark.parametrize("switch_at", [0.8, 0.5])
def test_refined_picture_is_that_of_diffusers(
    shared_engine: StableDiffusionEngine, tiny_sdxl: Path, refiner: Path, switch_at: float
) -> None:
    plain = _by_diffusers(tiny_sdxl, refiner, switch_at)
    wanted = _request(tiny_sdxl, refiner=str(refiner), refiner_switch_at=switch_at)
    assert difference(generate(shared_engine, wanted).images[0], plain) == 0


def test_ordinary_model_can_refine(
    shared_engine: StableDiffusionEngine, tiny_sdxl: Path, other_sdxl: Path
) -> None:
    plain = _by_diffusers(tiny_sdxl, other_sdxl, 0.8)
    wanted = _request(tiny_sdxl, refiner=str(other_sdxl))
    assert difference(generate(shared_engine, wanted).images[0], plain) == 0


def test_each_model_is_loaded_once_for_all_pictures(
    shared_engine: StableDiffusionEngine, tiny_sdxl: Path, refiner: Path, events: Events
) -> None:
    shared_engine.unload()
    wanted = _request(tiny_sdxl, refiner=str(refiner), num_images_per_prompt=9)
    result = generate(shared_engine, wanted, report=events)
    assert len(result.images) == 9
    assert events.kinds().count("loaded") == 2
    steps = [event for event in events if isinstance(event, Step)]
    names = [step.of_pass.name if step.of_pass else "" for step in steps]
    assert names == ["", *[""] * (names.count("") - 1), *["refiner"] * names.count("refiner")]
    assert steps[-1].remaining == 0
    assert result.record.model is not None
    assert result.record.model.name == str(tiny_sdxl)
    assert result.record.values()["refiner"] == str(refiner)


def test_hires_can_have_another_model(
    shared_engine: StableDiffusionEngine, tiny_sdxl: Path, other_sdxl: Path
) -> None:
    same, other = (
        generate(
            shared_engine,
            _request(tiny_sdxl, hires_scale=2, hires_steps=2, hires_model=model),
        ).images[0]
        for model in (None, str(other_sdxl))
    )
    assert other.size == (128, 128)
    assert difference(same, other) > 0


def test_refiner_takes_the_last_steps_of_hires(
    shared_engine: StableDiffusionEngine, tiny_sdxl: Path, refiner: Path, events: Events
) -> None:
    wanted = _request(tiny_sdxl, hires_scale=2, hires_strength=0.5, refiner=str(refiner))
    result = generate(shared_engine, wanted, report=events)
    assert result.images[0].size == (128, 128)
    names = {event.of_pass.name for event in events if isinstance(event, Step) and event.of_pass}
    assert names == {"", "hires", "refiner"}


@pytest.mark.parametrize("sampler", ["Euler a", "DPM++ 2M SDE Karras", "Heun"])
def test_samplers_of_every_kind_can_be_refined(
    shared_engine: StableDiffusionEngine, tiny_sdxl: Path, refiner: Path, sampler: str
) -> None:
    wanted = _request(tiny_sdxl, refiner=str(refiner), sampler=sampler)
    assert generate(shared_engine, wanted).images[0].size == (64, 64)


def test_refiner_is_no_model_of_its_own(
    shared_engine: StableDiffusionEngine, refiner: Path
) -> None:
    with pytest.raises(UnsupportedModelError, match="takes the last steps of another model"):
        generate(shared_engine, _request(refiner))


def test_model_of_another_family_is_refused_before_the_first_pass(
    shared_engine: StableDiffusionEngine, tiny_sdxl: Path, tiny_sd1: Path, events: Events
) -> None:
    wanted = _request(tiny_sdxl, hires_scale=2, hires_model=str(tiny_sd1))
    with pytest.raises(UnsupportedModelError, match="their latents differ"):
        generate(shared_engine, wanted, report=events)
    with pytest.raises(ModelNotFoundError):
        generate(shared_engine, wanted.changed(hires_model="nothing here"), report=events)
    assert "step" not in events.kinds()


def test_refiner_is_left_out_for_other_families(
    shared_engine: StableDiffusionEngine, tiny_sd1: Path, refiner: Path
) -> None:
    record = generate(shared_engine, _request(tiny_sd1, refiner=str(refiner))).record
    assert any("doesn't take refiner" in notice for notice in record.notices)


def test_refiner_that_runs_out_of_memory_repeats_no_earlier_pass(
    shared_engine: StableDiffusionEngine,
    tiny_sdxl: Path,
    refiner: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shared_engine, "modes", (MemoryMode.FULL,))  # nothing without loss is left
    calls: list[str] = []
    failures = 2

    def fail_while_refining(event: Any) -> None:
        nonlocal failures
        if event.kind == "step":
            calls.append(event.of_pass.name)
            if event.of_pass.name == "refiner" and failures:
                failures -= 1
                raise cuda_out_of_memory()

    wanted = _request(tiny_sdxl, refiner=str(refiner))
    result = RobustStableDiffusionGenerator(shared_engine).generate_with_fallback(
        wanted, report=fail_while_refining
    )
    assert result.error is None
    attempts = result.record.attempts
    assert [each.changes for each in attempts] == [
        "",
        "freed the caches",
        "the last steps without the refiner",
    ]
    assert attempts[0].stage is Stage.DENOISE
    assert calls == [""] * 8 + ["refiner"] * (2 + 2)
    assert result.record.values()["refiner"] is None
