"""Models with schedulers that their pipeline, or this machine, can't use."""

from __future__ import annotations

import json
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import diffusers
import pytest

from sdtui.core.errors import UnsupportedModelError
from sdtui.engine.generator import generate
from sdtui.engine.pipeline_manager import StableDiffusionEngine
from sdtui.engine.samplers import make_scheduler
from tests.support.requests import make_request
from tests.support.tiny_families import make_family
from tests.support.tiny_transformers import save_tiny

_BETAS = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}


def _with_scheduler(model: Path, copy: Path, name: str, **config: Any) -> Path:
    shutil.copytree(model, copy)
    (copy / "scheduler" / "scheduler_config.json").write_text(
        json.dumps({"_class_name": name, "num_train_timesteps": 1000, **config})
    )
    index = json.loads((copy / "model_index.json").read_text())
    index["scheduler"] = ["diffusers", name]
    (copy / "model_index.json").write_text(json.dumps(index))
    return copy


@pytest.mark.parametrize("fixture", ["tiny_sd1", "tiny_sdxl"])
@pytest.mark.parametrize("name", ["FlowMatchEulerDiscreteScheduler", "FlowMatchLCMScheduler"])
def test_flow_matching_of_a_unet_needs_unipc(
    shared_engine: StableDiffusionEngine,
    tmp_path: Path,
    fixture: str,
    name: str,
    request: pytest.FixtureRequest,
) -> None:
    model = request.getfixturevalue(fixture)
    folder = _with_scheduler(model, tmp_path / "flow", name, shift=3.0)
    for sampler in (None, "Euler"):
        with pytest.raises(UnsupportedModelError, match="UniPC"):
            generate(shared_engine, make_request(folder, sampler=sampler))
    result = generate(shared_engine, make_request(folder, sampler="UniPC"))
    assert result.images[0].size == (64, 64)


@pytest.mark.parametrize("config", [{"shift": 3.0}, {"flow_shift": 3.0}])
def test_shift_of_a_flow_model_is_kept_with_unipc(config: dict[str, Any]) -> None:
    model: Any = diffusers.FlowMatchEulerDiscreteScheduler()
    model.register_to_config(**config)
    scheduler = make_scheduler(model, "UniPC")
    assert scheduler.config.flow_shift == 3.0
    assert scheduler.config.use_flow_sigmas


@pytest.mark.skipif(find_spec("scipy") is not None, reason="LMS works with scipy")
def test_model_with_a_scheduler_that_needs_another_library_is_loaded(
    shared_engine: StableDiffusionEngine, tiny_sd1: Path, tmp_path: Path
) -> None:
    folder = _with_scheduler(tiny_sd1, tmp_path / "lms", "LMSDiscreteScheduler", **_BETAS)
    plain = _with_scheduler(tiny_sd1, tmp_path / "euler", "EulerDiscreteScheduler", **_BETAS)
    results = [generate(shared_engine, make_request(each)) for each in (folder, plain)]
    assert results[0].images[0].tobytes() == results[1].images[0].tobytes()


@pytest.mark.skipif(find_spec("torchsde") is not None, reason="it works with torchsde")
def test_missing_library_is_named_instead_of_calling_the_model_damaged(
    shared_engine: StableDiffusionEngine, tiny_sd1: Path, tmp_path: Path
) -> None:
    name = "CosineDPMSolverMultistepScheduler"
    folder = _with_scheduler(tiny_sd1, tmp_path / "cosine", name)
    with pytest.raises(UnsupportedModelError, match="torchsde"):
        generate(shared_engine, make_request(folder))


@pytest.mark.parametrize("sampler", ["Heun", "UniPC"])
def test_flow_samplers_take_a_shift_that_they_have_no_use_for(
    shared_engine: StableDiffusionEngine, tmp_path: Path, sampler: str
) -> None:
    folder = save_tiny("z_image", tmp_path / "z_image")
    assert generate(shared_engine, make_request(folder, sampler=sampler)).images


def test_sampler_that_a_pipeline_cannot_use_is_refused(
    shared_engine: StableDiffusionEngine, tmp_path: Path
) -> None:
    folder = tmp_path / "cogview4"
    make_family("cogview4").save_pretrained(folder)
    request = make_request(folder, sampler="UniPC", negative_prompt="x")
    with pytest.raises(UnsupportedModelError, match="can't be used like this"):
        generate(shared_engine, request)
    assert generate(shared_engine, request.changed(sampler=None)).images


def test_prediction_that_a_sampler_lacks_is_refused(
    shared_engine: StableDiffusionEngine, tiny_sd1: Path, tmp_path: Path
) -> None:
    config = {**_BETAS, "prediction_type": "sample"}
    folder = _with_scheduler(tiny_sd1, tmp_path / "sample", "DDIMScheduler", **config)
    with pytest.raises(UnsupportedModelError, match="prediction_type"):
        generate(shared_engine, make_request(folder, sampler="Euler a"))
