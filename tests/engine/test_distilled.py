"""Distilled models use their own steps, sampler and guidance."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from diffusers import LCMScheduler, StableDiffusionPipeline

from sdtui.core.enums import DType
from sdtui.engine.generator import generate
from sdtui.engine.pipeline_manager import StableDiffusionEngine
from sdtui.requests.events import Event
from sdtui.requests.request import GenerationRequest
from sdtui.requests.sections.execution import Execution
from tests.support.images import difference
from tests.support.tiny_models import make_sd1

_FLOAT32 = Execution(dtype=DType.FLOAT32)


@pytest.fixture(scope="module")
def lcm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that takes guidance as an embedding."""
    return make_sd1(tmp_path_factory.mktemp("models") / "lcm", time_cond_proj_dim=8)


def test_lcm_picture_is_that_of_diffusers(shared_engine: StableDiffusionEngine, lcm: Path) -> None:
    # The default on a CPU may be bfloat16.
    request = GenerationRequest(prompt="a red cat", model=str(lcm), seed=42, execution=_FLOAT32)
    native = generate(shared_engine, request)
    settings = native.record.settings
    assert settings is not None
    assert (settings.sampler, settings.num_inference_steps, settings.guidance_scale) == (
        "LCM",
        4,
        8.0,
    )
    pipeline = StableDiffusionPipeline.from_pretrained(lcm, dtype=torch.float32)
    pipeline.scheduler = LCMScheduler.from_config(pipeline.scheduler.config)
    pipeline.set_progress_bar_config(disable=True)
    plain = pipeline(
        "a red cat",
        num_inference_steps=4,
        guidance_scale=8.0,
        generator=torch.Generator("cpu").manual_seed(42),
    )
    assert difference(native.images[0], plain.images[0]) == 0


def test_previews_of_an_lcm_batch_show_its_first_picture(
    shared_engine: StableDiffusionEngine, lcm: Path
) -> None:
    previews: list[list[bytes]] = []
    for count in (1, 2):
        seen: list[Event] = []
        request = GenerationRequest(
            prompt="a red cat", model=str(lcm), seed=42, num_images_per_prompt=count
        )
        generate(shared_engine, request, report=seen.append)
        previews.append([event.rgb for event in seen if event.kind == "preview"])
    alone, first = previews
    assert len(alone) == 4
    for one, other in zip(alone, first, strict=True):
        assert max(abs(a - b) for a, b in zip(one, other, strict=True)) <= 1
