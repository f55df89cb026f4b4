"""Features plug into a run by their hooks: the test features use every hook."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from sdtui.core.enums import DType, MemoryMode, Policy
from sdtui.core.settings import Settings
from sdtui.engine.features.feature import Feature
from sdtui.engine.generator import RobustStableDiffusionGenerator, generate
from sdtui.engine.loaded import LoadedModel
from sdtui.engine.memory.ladder import Plan, Rung, next_step
from sdtui.engine.passes import Pass, StartContext
from sdtui.engine.pipeline_manager import StableDiffusionEngine
from sdtui.engine.resolved_request import ResolvedRequest
from sdtui.requests.events import Estimated, Step
from sdtui.requests.record import Stage
from sdtui.requests.request import GenerationRequest
from tests.support.events import Events
from tests.support.faults import Fault, cuda_out_of_memory, failing
from tests.support.images import difference
from tests.support.requests import make_request

STEPS = 4


@dataclass(frozen=True)
class _Scale:
    factor: int = 2
    strength: float = 0.5


@dataclass(frozen=True)
class _FromUpscaled:
    """Starts from the upscaled latents of the previous pass."""

    @property
    def has_pictures(self) -> bool:
        return False

    def latents(self, context: StartContext) -> torch.Tensor:
        model, request, before = context.model, context.request, context.before
        assert before is not None
        assert len(before) == len(context.generators)
        size = (request.height // model.vae_factor, request.width // model.vae_factor)
        larger = torch.nn.functional.interpolate(before, size=size)
        return larger.to(model.execution_device, model.denoiser.dtype)

    def images(self, _: StartContext) -> list[Image.Image]:
        raise AssertionError

    def picture(self, _: ResolvedRequest) -> None:
        return None


def _scale_less(plan: Plan, _: Stage) -> tuple[Plan, str] | None:
    scale = plan.sections["upscale"]
    assert isinstance(scale, _Scale)
    if scale.factor == 1:
        return None
    sections = {**plan.sections, "upscale": replace(scale, factor=1)}
    return replace(plan, sections=sections), "not upscaled"


class _Upscale(Feature[_Scale]):
    """Two passes, the second one larger; enabled by a word in the prompt."""

    name = "upscale"

    def open(self, request: GenerationRequest) -> _Scale | None:
        return _Scale() if "large" in request.prompt else None

    def passes(self, section: _Scale, passes: tuple[Pass, ...]) -> tuple[Pass, ...]:
        last = passes[-1].request
        larger = replace(
            last, width=last.width * section.factor, height=last.height * section.factor
        )
        return (*passes, Pass(larger, _FromUpscaled(), section.strength))

    def rungs(self, section: _Scale) -> tuple[Rung, ...]:
        return (Rung("no upscaling", frozenset({Stage.DENOISE}), False, _scale_less),)


@pytest.fixture(scope="module")
def upscaling() -> Iterator[StableDiffusionEngine]:
    with StableDiffusionEngine(Settings(device="cpu"), features=(_Upscale(),)) as engine:
        engine.modes = (MemoryMode.FULL,)  # the model stays, with the faults that are put into it
        yield engine


def _large(model: Path, **values: Any) -> GenerationRequest:
    return make_request(
        model, prompt="a large cat", num_inference_steps=STEPS, sampler="Euler", **values
    )


@pytest.fixture
def model(upscaling: StableDiffusionEngine, tiny_sd1: Path) -> LoadedModel:
    return upscaling.load(str(tiny_sd1), DType.FLOAT32)


def test_second_pass_continues_from_the_first(
    upscaling: StableDiffusionEngine, tiny_sd1: Path, events: Events
) -> None:
    result = generate(upscaling, _large(tiny_sd1, num_images_per_prompt=2), report=events)
    assert [image.size for image in result.images] == [(128, 128)] * 2
    stages = [event.stage for event in events if event.kind == "stage"]
    assert stages == [
        Stage.LOAD,
        Stage.ENCODE,
        Stage.DENOISE,
        Stage.PREPARE,
        Stage.DENOISE,
        Stage.DECODE,
    ]
    alone = generate(upscaling, _large(tiny_sd1, seed=8)).images[0]
    assert difference(alone, result.images[1]) <= 1


def test_steps_are_counted_over_all_passes(
    upscaling: StableDiffusionEngine, tiny_sd1: Path, events: Events
) -> None:
    generate(upscaling, _large(tiny_sd1), report=events)
    steps = [event for event in events if isinstance(event, Step)]
    total = STEPS + STEPS // 2
    assert [(step.step, step.total) for step in steps] == [(i + 1, total) for i in range(total)]
    assert steps[-1].remaining == 0


def test_estimate_is_that_of_the_largest_pass(
    upscaling: StableDiffusionEngine, tiny_sd1: Path, events: Events
) -> None:
    generate(upscaling, _large(tiny_sd1), report=events)
    generate(upscaling, _large(tiny_sd1).changed(prompt="a cat"), report=events)
    large, small = [event.estimate for event in events if isinstance(event, Estimated)]
    assert large > small


def test_failing_second_pass_does_not_repeat_the_first(
    upscaling: StableDiffusionEngine, model: LoadedModel, tiny_sd1: Path
) -> None:
    sound = generate(upscaling, _large(tiny_sd1)).images[0]
    calls = 0

    def fail_once(*_: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == STEPS + 1:
            raise cuda_out_of_memory()

    handle = model.denoiser.register_forward_pre_hook(fail_once)
    try:
        result = RobustStableDiffusionGenerator(upscaling).generate_with_fallback(_large(tiny_sd1))
    finally:
        handle.remove()
    assert result.error is None
    assert [attempt.rung for attempt in result.record.attempts] == [None, "free caches"]
    assert calls == STEPS + 1 + STEPS // 2
    assert difference(result.images[0], sound) == 0


def test_failing_decode_repeats_no_pass(
    upscaling: StableDiffusionEngine, model: LoadedModel, tiny_sd1: Path
) -> None:
    generator = RobustStableDiffusionGenerator(upscaling)
    with (
        failing(model, Stage.DENOISE, Fault(0)) as denoising,
        failing(model, Stage.DECODE, Fault(1)),
    ):
        result = generator.generate_with_fallback(_large(tiny_sd1))
    assert result.error is None
    assert denoising.passes == STEPS + STEPS // 2


def test_rung_of_a_feature_comes_before_the_lossy_ones_of_the_engine(
    upscaling: StableDiffusionEngine, model: LoadedModel, tiny_sd1: Path
) -> None:
    calls: list[int] = []

    def fail_when_large(_: Any, args: tuple[torch.Tensor, ...]) -> None:
        calls.append(args[0].shape[-1])
        if args[0].shape[-1] > 8:
            raise cuda_out_of_memory()

    handle = model.denoiser.register_forward_pre_hook(fail_when_large)
    try:
        result = RobustStableDiffusionGenerator(upscaling).generate_with_fallback(_large(tiny_sd1))
    finally:
        handle.remove()
    assert result.error is None
    assert result.images[0].size == (64, 64)
    attempts = result.record.attempts
    assert [attempt.rung for attempt in attempts] == [None, "free caches", "no upscaling"]
    assert not attempts[-1].lossless
    # The first pass ran once.
    assert calls == [8] * STEPS + [16, 16] + [8] * (STEPS // 2)


@pytest.mark.parametrize("policy", [Policy.STRICT, Policy.TUTORIAL])
def test_policies_that_allow_no_other_loss_have_no_lossy_rung_of_a_feature(policy: Policy) -> None:
    plan = Plan(
        batch_size=1,
        memory_mode=make_request(Path()).execution.memory_mode,
        modes=(),
        sections={"upscale": _Scale()},
        freed=frozenset(Stage),
    )
    rungs = _Upscale().rungs(_Scale())
    assert next_step(policy, plan, Stage.DENOISE, 1, rungs) is None
    assert next_step(Policy.KEEP, plan, Stage.DENOISE, 1, rungs) is not None
