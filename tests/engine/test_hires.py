"""Hires fix: the second pass starts from the enlarged first one and runs as in A1111."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import (
    EulerDiscreteScheduler,
    StableDiffusionImg2ImgPipeline,
    StableDiffusionPipeline,
)
from PIL import Image

from sdtui.core.enums import DType, MemoryMode, Policy
from sdtui.core.errors import InvalidRequestError, ModelNotFoundError, OutOfMemoryError
from sdtui.engine.features.hires import scheduled_steps
from sdtui.engine.generator import RobustStableDiffusionGenerator, generate
from sdtui.engine.loaded import LoadedModel
from sdtui.engine.pipeline_manager import StableDiffusionEngine
from sdtui.requests.events import Estimated, Step
from sdtui.requests.record import PassPlace, Stage
from sdtui.requests.request import GenerationRequest
from sdtui.requests.sections.hires import LATENT_UPSCALERS
from tests.support.events import Events
from tests.support.faults import Fault, cuda_out_of_memory, failing
from tests.support.images import difference
from tests.support.requests import make_request
from tests.support.tiny_other_families import make_flux

STEPS = 3


def _request(model: Path, **values: Any) -> GenerationRequest:
    defaults: Mapping[str, Any] = {
        "num_inference_steps": STEPS,
        "sampler": "Euler",
        "guidance_scale": 3.0,
        "hires_scale": 2,
    }
    return make_request(model, **{**defaults, **values})


@pytest.fixture
def model(shared_engine: StableDiffusionEngine, tiny_sd1: Path) -> LoadedModel:
    """A model that stays in memory, with the faults that are put into it."""
    shared_engine.modes = (MemoryMode.FULL,)
    return shared_engine.load(str(tiny_sd1), DType.FLOAT32)


@pytest.mark.parametrize(
    ("steps", "strength", "scheduled"),
    [(20, 0.7, 28), (15, 0.35, 42), (20, 0.75, 26), (20, 1.0, 20), (10, 0.5, 20), (30, 0.2, 150)],
)
def test_schedule_is_as_long_as_in_a1111(steps: int, strength: float, scheduled: int) -> None:
    assert scheduled_steps(steps, strength) == scheduled


@pytest.mark.parametrize(
    ("steps", "strength", "first"), [(20, 0.7, 666), (None, 0.7, 665), (15, 0.35, 323)]
)
def test_all_steps_are_run_from_the_noise_of_the_strength(
    shared_engine: StableDiffusionEngine,
    model: LoadedModel,
    tiny_sd1: Path,
    steps: int | None,
    strength: float,
    first: int,
) -> None:
    timesteps: list[int] = []

    def note(_: Any, args: tuple[Any, ...]) -> None:
        timesteps.append(round(float(args[1])))

    handle = model.denoiser.register_forward_pre_hook(note)
    try:
        generate(
            shared_engine,
            _request(tiny_sd1, num_inference_steps=2, hires_steps=steps, hires_strength=strength),
        )
    finally:
        handle.remove()
    assert len(timesteps) == 2 + (steps or 2)
    if steps:
        assert abs(timesteps[2] - first) <= 1


@pytest.mark.parametrize("upscaler", LATENT_UPSCALERS)
def test_second_pass_is_image_to_image_of_enlarged_latents(
    shared_engine: StableDiffusionEngine, tiny_sd1: Path, upscaler: str
) -> None:
    made = generate(
        shared_engine,
        _request(tiny_sd1, hires_upscaler=upscaler, hires_strength=0.5, hires_steps=4),
    ).images[0]
    pipeline: Any = StableDiffusionPipeline.from_pretrained(tiny_sd1, dtype=torch.float32)
    pipeline.scheduler = EulerDiscreteScheduler.from_config(pipeline.scheduler.config)
    call = {
        "prompt": "a red cat",
        "negative_prompt": "",
        "guidance_scale": 3.0,
    }
    first = pipeline(
        **call,
        width=64,
        height=64,
        num_inference_steps=STEPS,
        generator=torch.Generator("cpu").manual_seed(7),
        output_type="latent",
    ).images
    mode = upscaler.removeprefix("Latent").strip(" ()") or "bilinear"
    enlarged = torch.nn.functional.interpolate(
        first,
        scale_factor=2,
        mode={"antialiased": "bilinear", "bicubic antialiased": "bicubic"}.get(mode, mode),
        antialias="antialiased" in mode,
    )
    second: Any = StableDiffusionImg2ImgPipeline(
        **pipeline.components, requires_safety_checker=False
    )
    plain = second(
        **call,
        image=enlarged,
        num_inference_steps=8,
        strength=0.5,
        generator=torch.Generator("cpu").manual_seed(7),
    ).images[0]
    assert made.size == (128, 128)
    assert difference(made, plain) == 0


@pytest.mark.parametrize("upscaler", ["Lanczos", "Nearest", "None"])
def test_pictures_are_enlarged_and_encoded(
    shared_engine: StableDiffusionEngine, tiny_sd1: Path, events: Events, upscaler: str
) -> None:
    wanted = _request(
        tiny_sd1, hires_upscaler=upscaler, hires_strength=0.5, num_images_per_prompt=2
    )
    result = generate(shared_engine, wanted, report=events)
    assert [image.size for image in result.images] == [(128, 128)] * 2
    stages = [event.stage for event in events if event.kind == "stage"]
    assert stages[2:] == [Stage.DENOISE, Stage.PREPARE, Stage.DENOISE, Stage.DECODE]
    alone = generate(shared_engine, wanted.changed(seed=8, num_images_per_prompt=1)).images[0]
    assert difference(alone, result.images[1]) <= 1


def test_strength_of_zero_is_the_enlarged_picture(
    shared_engine: StableDiffusionEngine, tiny_sd1: Path, events: Events
) -> None:
    result = generate(shared_engine, _request(tiny_sd1, hires_strength=0), report=events)
    assert result.images[0].size == (128, 128)
    assert events.kinds().count("step") == STEPS


def test_picture_of_another_shape_is_cropped_about_its_centre(
    shared_engine: StableDiffusionEngine, tiny_sd1: Path
) -> None:
    whole = _request(tiny_sd1, hires_strength=0, hires_width=128)
    cropped = whole.changed(hires_height=96)
    pictures = [generate(shared_engine, each).images[0] for each in (whole, cropped)]
    assert pictures[1].size == (128, 96)
    # The decoder sees other edges.
    inner = [pictures[0].crop((32, 48, 96, 80)), pictures[1].crop((32, 32, 96, 64))]
    assert difference(*inner) < 40


def test_own_prompts_sampler_and_guidance_are_used(
    shared_engine: StableDiffusionEngine, tiny_sd1: Path
) -> None:
    pictures = [
        generate(shared_engine, _request(tiny_sd1, hires_strength=0.9, **values)).images[0]
        for values in (
            {},
            {"hires_prompt": "a blue dog"},
            {"hires_negative_prompt": "ugly"},
            {"hires_sampler": "Euler a"},
            {"hires_guidance_scale": 6},
        )
    ]
    assert all(difference(pictures[0], each) > 0 for each in pictures[1:])


def test_times_of_the_prompt_count_on_from_the_first_pass(
    shared_engine: StableDiffusionEngine, tiny_sd1: Path
) -> None:
    def picture(prompt: str) -> Any:
        return generate(shared_engine, _request(tiny_sd1, prompt=prompt)).images[0]

    # In the second pass the whole of the first is over.
    late, never = picture("a red cat [big:1.5]"), picture("a red cat ")
    by_steps = picture(f"a red cat [big:{STEPS + 1}]")
    assert difference(late, never) > 0
    assert difference(late, by_steps) == 0


def test_steps_and_passes_are_reported(
    shared_engine: StableDiffusionEngine, tiny_sd1: Path, events: Events
) -> None:
    generate(shared_engine, _request(tiny_sd1, hires_steps=2), report=events)
    steps = [event for event in events if isinstance(event, Step)]
    assert [(step.step, step.total) for step in steps] == [(n + 1, STEPS + 2) for n in range(5)]
    first, second = PassPlace(number=1, count=2), PassPlace(number=2, count=2, name="hires")
    assert [step.of_pass for step in steps] == [first] * STEPS + [second] * 2


def test_estimate_is_that_of_the_large_pass(
    shared_engine: StableDiffusionEngine, tiny_sd1: Path, events: Events
) -> None:
    for scale in (None, 4):
        generate(shared_engine, _request(tiny_sd1, hires_scale=scale), report=events)
    small, large = [event.estimate for event in events if isinstance(event, Estimated)]
    assert large > small


def test_what_was_used_is_recorded(shared_engine: StableDiffusionEngine, tiny_sd1: Path) -> None:
    record = generate(shared_engine, _request(tiny_sd1)).record
    values = record.values()
    assert (values["width"], values["hires_scale"]) == (64, 2)
    assert (values["hires_strength"], values["hires_upscaler"]) == (0.7, "Latent")
    assert record.images[0].width == 128


def test_picture_larger_than_its_model_draws_well_begins_smaller(
    shared_engine: StableDiffusionEngine, tiny_sd1: Path, tmp_path: Path, events: Events
) -> None:
    folder = Path(shutil.copytree(tiny_sd1, tmp_path / "model"))
    own = {"width": 64, "height": 64, "hires_above": 96, "hires_strength": 0.5, "hires_steps": 4}
    (folder / "sdtui.json").write_text(json.dumps(own))
    request = _request(folder, width=128, height=96, hires_scale=None)
    result = generate(shared_engine, request, report=events)
    assert result.images[0].size == (128, 96)
    places = [event.of_pass for event in events if isinstance(event, Step)]
    assert [each.name for each in places if each] == [""] * STEPS + ["hires"] * 4
    record = result.record
    assert record.request == request
    assert "begins with 88x64, and hires fix" in record.notices[0]
    made = {"width": 88, "height": 64, "hires_width": 128, "hires_height": 96}
    assert record.values().items() >= made.items()
    repeated = generate(shared_engine, request.changed(**record.values()))
    assert repeated.images[0].tobytes() == result.images[0].tobytes()


def test_size_beyond_the_limit_is_refused_before_anything_is_denoised(
    shared_engine: StableDiffusionEngine, tiny_sd1: Path, events: Events
) -> None:
    with pytest.raises(InvalidRequestError, match="8192 are the most"):
        generate(shared_engine, _request(tiny_sd1, width=2048, hires_scale=8), report=events)
    assert "step" not in events.kinds()


def test_unknown_upscaler_is_refused_before_the_model_is_loaded(
    engine: StableDiffusionEngine, tiny_sd1: Path, events: Events
) -> None:
    with pytest.raises(ModelNotFoundError, match="there is no upscaler"):
        generate(engine, _request(tiny_sd1, hires_upscaler="4x-Nothing"), report=events)
    assert "loading" not in events.kinds()


@pytest.mark.parametrize("stage", [Stage.PREPARE, Stage.DECODE])
@pytest.mark.parametrize("times", [1, 2])
def test_second_pass_recovers_without_the_first_being_repeated(
    shared_engine: StableDiffusionEngine,
    model: LoadedModel,
    tiny_sd1: Path,
    stage: Stage,
    times: int,
) -> None:
    wanted = _request(tiny_sd1, hires_upscaler="Lanczos", hires_scale=5 if times > 1 else 2)
    sound = generate(shared_engine, wanted).images[0]
    with failing(model, stage, Fault(times)), failing(model, Stage.DENOISE, Fault(0)) as denoising:
        result = RobustStableDiffusionGenerator(shared_engine).generate_with_fallback(wanted)
    assert result.error is None
    assert denoising.passes == 2 * STEPS
    assert len(result.record.attempts) == times + 1
    if times == 1:
        assert difference(result.images[0], sound) == 0


def _failing_above(model: LoadedModel, side: int, calls: list[int]) -> Any:
    """Let the denoiser run out of memory for latents wider than `side`."""

    def check(_: Any, args: tuple[torch.Tensor, ...]) -> None:
        calls.append(args[0].shape[-1])
        if args[0].shape[-1] > side:
            raise cuda_out_of_memory()

    return model.denoiser.register_forward_pre_hook(check)


@pytest.mark.parametrize(
    ("side", "finished", "changes"),
    [
        (12, (96, 96), ["", "freed the caches", "hires 128×128 → 96×96"]),
        (8, (64, 64), ["", "freed the caches", "hires 128×128 → 96×96", "no hires pass"]),
    ],
)
def test_second_pass_gets_smaller_before_the_first_is_touched(
    shared_engine: StableDiffusionEngine,
    model: LoadedModel,
    tiny_sd1: Path,
    side: int,
    finished: tuple[int, int],
    changes: list[str],
) -> None:
    calls: list[int] = []
    handle = _failing_above(model, side, calls)
    try:
        result = RobustStableDiffusionGenerator(shared_engine).generate_with_fallback(
            _request(tiny_sd1)
        )
    finally:
        handle.remove()
    assert result.error is None
    assert result.images[0].size == finished
    attempts = result.record.attempts
    assert [attempt.changes for attempt in attempts] == changes
    assert attempts[0].of_pass == PassPlace(number=2, count=2, name="hires")
    assert calls.count(8) == STEPS
    assert result.record.values()["hires_scale"] == (2 if finished == (96, 96) else None)


@pytest.mark.parametrize("policy", [Policy.STRICT, Policy.TUTORIAL])
def test_second_pass_that_may_not_change_fails_with_its_attempts(
    shared_engine: StableDiffusionEngine, model: LoadedModel, tiny_sd1: Path, policy: Policy
) -> None:
    calls: list[int] = []
    handle = _failing_above(model, 8, calls)
    try:
        result = RobustStableDiffusionGenerator(shared_engine).generate_with_fallback(
            _request(tiny_sd1, policy=policy)
        )
    finally:
        handle.remove()
    assert isinstance(result.error, OutOfMemoryError)
    assert calls.count(8) == STEPS
    assert all(attempt.error for attempt in result.record.attempts)


def test_picture_that_is_only_enlarged_does_not_go_through_the_vae_before(
    shared_engine: StableDiffusionEngine,
    tiny_sd1: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Image.new("RGB", (64, 64), "red").save(tmp_path / "picture.png")
    monkeypatch.setattr("sdtui.engine.stages.prepare.decode", None)
    request = _request(
        tiny_sd1, init_image=tmp_path / "picture.png", strength=0, hires_upscaler="Lanczos"
    )
    assert generate(shared_engine, request).images[0].size == (128, 128)


def test_picture_is_enlarged_by_a_model_that_refuses_passes_without_steps(
    shared_engine: StableDiffusionEngine, tmp_path: Path
) -> None:
    Image.new("RGB", (64, 64), "red").save(tmp_path / "picture.png")
    folder = make_flux(tmp_path / "flux")
    request = _request(folder, sampler=None, init_image=tmp_path / "picture.png", strength=0)
    result = generate(shared_engine, request.changed(hires_strength=0.5))
    assert result.images[0].size == (128, 128)


@pytest.mark.parametrize(
    ("values", "field"),
    [({"hires_upscaler": "Latent"}, "hires_upscaler"), ({"hires_strength": 0}, "hires_strength")],
)
def test_what_other_families_cannot_do_is_refused_before_they_are_loaded(
    shared_engine: StableDiffusionEngine,
    tmp_path: Path,
    events: Events,
    values: dict[str, Any],
    field: str,
) -> None:
    folder = make_flux(tmp_path / "flux")
    with pytest.raises(InvalidRequestError, match=field):
        generate(shared_engine, _request(folder, sampler=None, **values), report=events)
    assert "loaded" not in events.kinds()
