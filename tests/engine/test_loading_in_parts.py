"""Loading in parts: only what a stage needs is in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from sdtui.core.cancellation import Cancellation
from sdtui.core.enums import DType, MemoryMode, Quantize
from sdtui.core.errors import CancelledError, OutOfMemoryError
from sdtui.core.settings import Settings
from sdtui.engine.device import Device, Memory
from sdtui.engine.features.feature import Feature
from sdtui.engine.generator import RobustStableDiffusionGenerator, generate
from sdtui.engine.interruptible import blocks_of
from sdtui.engine.memory.modes import modes_for
from sdtui.engine.memory.parts import is_placeholder
from sdtui.engine.pipeline_manager import StableDiffusionEngine
from sdtui.engine.result import GenerationResult
from sdtui.engine.stages.denoise import denoise
from sdtui.engine.stages.load import load_component, load_pipeline
from sdtui.models import Estimate
from sdtui.requests.events import Event, Report, report_nothing
from sdtui.requests.record import Stage
from sdtui.requests.request import GenerationRequest
from tests.support.events import Events
from tests.support.images import difference
from tests.support.loras import random_lora, save_lora, tensors_of, trained_layers
from tests.support.tiny_other_families import make_flux


@pytest.fixture(scope="module")
def engines() -> Iterator[tuple[StableDiffusionEngine, StableDiffusionEngine]]:
    """One for whole models, one for parts."""
    with StableDiffusionEngine() as whole, StableDiffusionEngine() as parts:
        yield whole, parts


@pytest.fixture(scope="module")
def flux(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_flux(tmp_path_factory.mktemp("flux"))


def run(
    engine: StableDiffusionEngine,
    model: Path,
    mode: str,
    report: Report = report_nothing,
    cancellation: Cancellation | None = None,
    **values: Any,
) -> GenerationResult:
    size = {"width": 64, "height": 64, "num_inference_steps": 2, "dtype": "float32"}
    request = {"prompt": "a cat", "model": str(model), "seed": 3, "memory_mode": mode}
    wanted = GenerationRequest.parse({**size, **request, **values})
    return generate(engine, wanted, report=report, cancellation=cancellation)


def present(engine: StableDiffusionEngine) -> set[str]:
    """The parts of the loaded model that are in memory."""
    assert engine.loaded is not None
    return {
        name
        for name, part in engine.loaded.pipeline.components.items()
        if isinstance(part, torch.nn.Module)
        and not is_placeholder(max(part.parameters(), key=torch.numel))
    }


def check_same(
    engines: tuple[StableDiffusionEngine, StableDiffusionEngine],
    model: Path,
    report: Report = report_nothing,
    **values: Any,
) -> GenerationResult:
    """The pictures in parts, which are those of the whole model."""
    expected = run(engines[0], model, "full", **values)
    found = run(engines[1], model, "parts", report, **values)
    pairs = zip(found.images, expected.images, strict=True)
    assert all(one.tobytes() == other.tobytes() for one, other in pairs)
    assert present(engines[1]) == set()
    return found


def test_pictures_are_those_of_the_whole_model(
    engines: tuple[StableDiffusionEngine, StableDiffusionEngine], tiny_sd1: Path
) -> None:
    found = check_same(engines, tiny_sd1, num_images_per_prompt=2)
    assert found.record.memory_mode is MemoryMode.PARTS


def test_pictures_of_other_families_are_the_same(
    engines: tuple[StableDiffusionEngine, StableDiffusionEngine], flux: Path, tmp_path: Path
) -> None:
    check_same(engines, flux, num_images_per_prompt=2)
    Image.linear_gradient("L").convert("RGB").save(tmp_path / "in.png")
    check_same(engines, flux, init_image=str(tmp_path / "in.png"))


def test_passes_and_features_work_in_parts(
    engines: tuple[StableDiffusionEngine, StableDiffusionEngine], tiny_sd1: Path, tmp_path: Path
) -> None:
    Image.linear_gradient("L").convert("RGB").save(tmp_path / "in.png")
    check_same(engines, tiny_sd1, init_image=str(tmp_path / "in.png"), tiling=True)
    check_same(engines, tiny_sd1, hires_scale=1.5, num_images_per_prompt=2)


def test_loras_are_merged_into_each_part_and_beside_quantized_layers(
    tiny_sd1: Path, tmp_path: Path
) -> None:
    settings = Settings(lora_folders=(tmp_path,))
    with StableDiffusionEngine(settings) as whole, StableDiffusionEngine(settings) as parts:
        pipeline = whole.load(str(tiny_sd1), DType.FLOAT32).pipeline
        layers = trained_layers(pipeline, "text_encoder", "unet")
        save_lora(tmp_path / "x.safetensors", tensors_of(pipeline, random_lora(pipeline, layers)))
        plain = check_same((whole, parts), tiny_sd1)
        found = check_same((whole, parts), tiny_sd1, prompt="a cat <lora:x:1>")
        quantized = check_same((whole, parts), tiny_sd1, prompt="a cat <lora:x:1>", quantize="int8")
    assert difference(found.images[0], plain.images[0]) > 20
    assert difference(found.images[0], quantized.images[0]) < 10


class _Watching(Feature[bool]):
    """Notes which parts are in memory when it is applied."""

    name = "watching"

    def __init__(self) -> None:
        self.seen: dict[Stage, set[str]] = {}
        self.engine: StableDiffusionEngine | None = None

    def open(self, request: GenerationRequest) -> bool:
        return True

    def denoising(self, section: bool, model: Any, batch: Any) -> Any:
        assert self.engine is not None
        self.seen[Stage.DENOISE] = present(self.engine)
        return super().denoising(section, model, batch)

    def after_decode(self, section: bool, images: Any) -> Any:
        assert self.engine is not None
        self.seen[Stage.DECODE] = present(self.engine)
        return images


def test_each_stage_has_its_parts_alone(tiny_sdxl: Path) -> None:
    watching = _Watching()
    with StableDiffusionEngine(features=(watching,)) as engine:
        watching.engine = engine
        run(engine, tiny_sdxl, "parts")
    assert watching.seen == {Stage.DENOISE: {"unet"}, Stage.DECODE: {"vae"}}


def parts_loaded(events: Events) -> list[str]:
    return [each.component for each in events if each.kind == "loading" and each.is_part]


def test_same_prompt_needs_no_encoders_again(
    engines: tuple[StableDiffusionEngine, StableDiffusionEngine], tiny_sd1: Path, events: Events
) -> None:
    _, engine = engines
    run(engine, tiny_sd1, "parts", prompt="a dog")
    run(engine, tiny_sd1, "parts", prompt="a dog", seed=9, report=events)
    assert parts_loaded(events) == ["unet", "vae"]


def test_each_part_is_loaded_in_a_load_stage_before_the_stage_that_needs_it(
    engines: tuple[StableDiffusionEngine, StableDiffusionEngine], tiny_sd1: Path, events: Events
) -> None:
    run(engines[1], tiny_sd1, "parts", prompt="a bird", report=events)
    shown = [
        each.stage if each.kind == "stage" else each.component
        for each in events
        if each.kind == "stage" or (each.kind == "loading" and each.is_part)
    ]
    encode, denoise = ["load", "text_encoder", "encode"], ["load", "unet", "denoise"]
    assert shown == ["load", *encode, *denoise, "load", "vae", "decode"]


def test_batches_from_pictures_load_each_part_as_often_as_the_stages_need_it(
    engines: tuple[StableDiffusionEngine, StableDiffusionEngine],
    tiny_sd1: Path,
    flux: Path,
    tmp_path: Path,
    events: Events,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sdtui.engine.memory.batching.CPU_BATCH_LATENTS", 1)
    Image.linear_gradient("L").convert("RGB").save(tmp_path / "in.png")
    picture = {"prompt": "a boat", "init_image": str(tmp_path / "in.png")}
    values = {**picture, "num_images_per_prompt": 2}
    check_same(engines, tiny_sd1, report=events, hires_scale=1.5, **values)
    passes = ["vae", "unet"]
    assert parts_loaded(events) == ["text_encoder", *passes, *passes, "vae"]
    assert len([each for each in events if each.kind == "stage" and each.stage == "denoise"]) == 4
    events.clear()
    check_same(engines, flux, report=events, **values)
    assert parts_loaded(events)[-2:] == ["vae", "transformer"]
    assert "vae" not in parts_loaded(events)[:-2]


def hook_parts(
    engine: StableDiffusionEngine, monkeypatch: pytest.MonkeyPatch, hook: Callable[[str, Any], None]
) -> None:
    """Call `hook` with the name and module of each part when it is loaded."""
    assert engine.loaded is not None
    parts = engine.loaded.parts
    assert parts is not None
    load = parts._load

    def hooked(name: str) -> torch.nn.Module:
        module = load(name)
        hook(name, module)
        return module

    monkeypatch.setattr(parts, "_load", hooked)


def test_run_is_cancelled_between_two_blocks_of_a_part(
    engines: tuple[StableDiffusionEngine, StableDiffusionEngine],
    flux: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cancellation, calls = Cancellation(), []

    def hook(name: str, module: Any) -> None:
        if name == "transformer":
            first, second, *_ = blocks_of(module)
            first.register_forward_hook(lambda *_: cancellation.stop_now())
            second.register_forward_hook(lambda *_: calls.append(1))

    engine = engines[1]
    run(engine, flux, "parts")
    hook_parts(engine, monkeypatch, hook)
    with pytest.raises(CancelledError):
        run(engine, flux, "parts", cancellation=cancellation)
    assert not calls
    assert present(engine) == set()
    monkeypatch.undo()
    check_same(engines, flux)


def test_run_is_cancelled_while_a_part_is_loaded(
    engines: tuple[StableDiffusionEngine, StableDiffusionEngine],
    tiny_sd1: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cancellation, loaded = Cancellation(), list[str]()

    def report(event: Event) -> None:
        if event.kind == "loading" and event.component == "unet" and event.is_part:
            cancellation.stop_now()

    engine = engines[1]
    run(engine, tiny_sd1, "parts")
    hook_parts(engine, monkeypatch, lambda name, _: loaded.append(name))
    with pytest.raises(CancelledError):
        run(engine, tiny_sd1, "parts", report, cancellation, prompt="a snail")
    assert loaded == ["text_encoder"]
    assert present(engine) == set()
    monkeypatch.undo()
    check_same(engines, tiny_sd1)


def test_pictures_that_have_begun_are_finished_if_the_run_stops_after_them(
    engines: tuple[StableDiffusionEngine, StableDiffusionEngine],
    tiny_sd1: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sdtui.engine.memory.batching.CPU_BATCH_LATENTS", 128)
    cancellation = Cancellation()

    def report(event: Event) -> None:
        if event.kind == "step":
            cancellation.stop_after_picture()

    values = {"prompt": "a cat", "model": str(tiny_sd1), "num_inference_steps": 1, "width": 64}
    wanted = {**values, "height": 64, "memory_mode": "parts", "num_images_per_prompt": 5}
    result = RobustStableDiffusionGenerator(engines[1]).generate_with_fallback(
        GenerationRequest.parse(wanted), report=report, cancellation=cancellation
    )
    assert isinstance(result.error, CancelledError)
    assert len(result.images) == 2


def test_another_mode_loads_the_model_anew(
    engines: tuple[StableDiffusionEngine, StableDiffusionEngine], tiny_sd1: Path
) -> None:
    _, engine = engines
    run(engine, tiny_sd1, "parts")
    run(engine, tiny_sd1, "full")
    assert "unet" in present(engine)
    run(engine, tiny_sd1, "parts")
    assert present(engine) == set()


def test_ladder_goes_on_in_parts_where_a_whole_model_does_not_fit(
    tiny_sd1: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def starved(*args: Any, empty: bool, **options: Any) -> Any:
        if not empty:
            raise MemoryError
        return load_pipeline(*args, empty=empty, **options)

    monkeypatch.setattr("sdtui.engine.pipeline_manager.load_pipeline", starved)
    values = {"prompt": "a", "model": str(tiny_sd1), "num_inference_steps": 1}
    with StableDiffusionEngine() as engine:
        result = RobustStableDiffusionGenerator(engine).generate_with_fallback(
            GenerationRequest.parse({**values, "width": 64, "height": 64})
        )
    assert result.error is None
    assert [each.rung for each in result.record.attempts][-1] == "loading in parts"


@pytest.mark.parametrize("policy", ["keep", "strict"])
def test_part_that_does_not_fit_is_quantized_if_the_picture_may_change(
    tiny_sd1: Path, monkeypatch: pytest.MonkeyPatch, events: Events, policy: str
) -> None:
    def starved(description: Any, name: str, dtype: Any, *, quantize: Quantize) -> Any:
        if name == "unet" and quantize is not Quantize.NF4:
            raise MemoryError
        return load_component(description, name, dtype, quantize=quantize)

    monkeypatch.setattr("sdtui.engine.pipeline_manager.load_component", starved)
    values = {"prompt": "a", "model": str(tiny_sd1), "num_inference_steps": 1, "policy": policy}
    with StableDiffusionEngine() as engine:
        result = RobustStableDiffusionGenerator(engine).generate_with_fallback(
            GenerationRequest.parse({**values, "width": 64, "height": 64, "memory_mode": "parts"}),
            report=events,
        )
    attempts = result.record.attempts
    if policy == "strict":
        assert isinstance(result.error, OutOfMemoryError)
        assert [each.rung for each in attempts] == [None, "free caches"]
        return
    assert result.error is None
    assert result.record.quantize is Quantize.NF4
    assert [each.stage for each in attempts] == [*[Stage.LOAD] * 3, None]
    assert [each.changes for each in attempts[2:]] == [
        "weights in 8 bits (int8)",
        "weights in 4 bits (nf4)",
    ]
    assert not attempts[-1].lossless


def test_smaller_picture_comes_behind_parts_and_fewer_bits(
    tiny_sd1: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def starved(model: Any, batch: Any, *args: Any, **options: Any) -> Any:
        if batch.pass_.request.width > 384:
            raise MemoryError
        return denoise(model, batch, *args, **options)

    monkeypatch.setattr("sdtui.engine.pass_runner.denoise", starved)
    values = {"prompt": "a", "model": str(tiny_sd1), "num_inference_steps": 1}
    with StableDiffusionEngine() as engine:
        result = RobustStableDiffusionGenerator(engine).generate_with_fallback(
            GenerationRequest.parse({**values, "width": 448, "height": 64})
        )
    rungs = ["free caches", "loading in parts", "fewer bits", "fewer bits", "smaller picture"]
    assert [each.rung for each in result.record.attempts] == [None, *rungs]
    assert [each.size for each in result.images] == [(384, 64)]


def test_gpu_gets_parts_where_main_memory_cannot_hold_the_model(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    estimate = Estimate(20, 1, 1, 1, dict.fromkeys(MemoryMode, 8))
    monkeypatch.setattr(Device, "memory", lambda _: Memory(free=10, total=10, used=0))
    with StableDiffusionEngine() as engine:
        monkeypatch.setattr(engine, "device", Device(torch.device("cuda")))
        monkeypatch.setattr(engine, "modes", modes_for(engine.device))
        for free, mode in ((30, MemoryMode.FULL), (15, MemoryMode.PARTS)):
            monkeypatch.setattr(
                "sdtui.engine.pipeline_manager.free_main_memory", partial(int, free)
            )
            assert engine.choose_mode(MemoryMode.AUTO, estimate, "m") is mode
