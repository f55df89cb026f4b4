"""Out-of-memory in every stage of a real pipeline: the run recovers, or reports every attempt."""

from __future__ import annotations

import gc
import logging
import shutil
import weakref
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from sdtui.core.enums import MemoryMode
from sdtui.core.errors import ModelDamagedError, OutOfMemoryError
from sdtui.engine import pipeline_manager as engine_module
from sdtui.engine.generator import RobustStableDiffusionGenerator
from sdtui.engine.memory import modes as memory
from sdtui.engine.memory.oom import is_out_of_memory
from sdtui.engine.pipeline_manager import StableDiffusionEngine
from sdtui.requests.record import Stage
from tests.support.events import Events
from tests.support.faults import Fault, cuda_out_of_memory, failing
from tests.support.images import difference
from tests.support.requests import make_request

_STAGES = [Stage.ENCODE, Stage.DENOISE, Stage.DECODE]


_request = partial(make_request, num_inference_steps=3, width=None, height=None)


@pytest.fixture
def generator(engine: StableDiffusionEngine) -> RobustStableDiffusionGenerator:
    """One whose model stays in memory, with the faults that are put into it."""
    engine.modes = (MemoryMode.FULL,)
    return RobustStableDiffusionGenerator(engine)


@pytest.mark.parametrize("stage", _STAGES)
@pytest.mark.parametrize("times", [1, 2])
def test_recovers_with_the_same_picture(
    generator: RobustStableDiffusionGenerator,
    events: Events,
    tiny_sd1: Path,
    stage: Stage,
    times: int,
) -> None:
    wanted = _request(tiny_sd1, num_images_per_prompt=2)
    undisturbed = generator.generate_with_fallback(wanted)
    model = generator.engine.load(wanted.model, wanted.execution.dtype)
    model.embeddings.clear()
    if stage is Stage.ENCODE and times == 2:
        pytest.skip("nothing but free caches leaves an encoder's picture as it is")
    with failing(model, stage, Fault(times)):
        result = generator.generate_with_fallback(wanted, report=events)
    assert result.error is None
    assert result.record.success
    attempts = result.record.attempts
    assert [attempt.stage for attempt in attempts] == [stage] * times + [None]
    assert attempts[0].error == "CUDA out of memory. Tried to allocate 2.00 GiB."
    assert attempts[1].rung == "free caches"
    assert all(attempt.lossless for attempt in attempts)
    assert events.kinds().count("attempt") == times
    for native, expected in zip(result.images, undisturbed.images, strict=True):
        # A split batch rounds differently.
        assert difference(native, expected) <= 1


def test_decoding_again_never_denoises_again(
    generator: RobustStableDiffusionGenerator, tiny_sd1: Path
) -> None:
    wanted = _request(tiny_sd1, num_images_per_prompt=2)
    model = generator.engine.load(wanted.model, wanted.execution.dtype)
    with failing(model, Stage.DENOISE, Fault(0)) as denoising:
        generator.generate_with_fallback(wanted)
        passes = denoising.passes
        with failing(model, Stage.DECODE, Fault(3)):
            result = generator.generate_with_fallback(wanted)
    assert result.error is None
    assert denoising.passes == 2 * passes


@pytest.mark.parametrize("stage", _STAGES)
def test_failure_lists_every_attempt(
    generator: RobustStableDiffusionGenerator, tiny_sd1: Path, stage: Stage
) -> None:
    wanted = _request(tiny_sd1, width=448, height=64, num_images_per_prompt=2)
    model = generator.engine.load(wanted.model, wanted.execution.dtype)
    with failing(model, stage, Fault(1000)):
        result = generator.generate_with_fallback(wanted)
    assert isinstance(result.error, OutOfMemoryError)
    assert result.error.stage is stage
    record = result.record
    assert not record.success
    assert record.error == str(result.error)
    assert record.seed == 7
    assert len(record.attempts) >= 2
    assert all(attempt.stage is stage and attempt.error for attempt in record.attempts)
    assert record.attempts[-1].changes == "448×64 → 384×64"
    # The model can be used for the next run.
    assert generator.generate_with_fallback(_request(tiny_sd1)).error is None


def test_changes_by_the_ladder_are_recorded(
    generator: RobustStableDiffusionGenerator, tiny_sd1: Path
) -> None:
    wanted = _request(tiny_sd1, policy="tutorial", width=448, height=64, num_inference_steps=30)
    model = generator.engine.load(wanted.model, wanted.execution.dtype)
    with failing(model, Stage.DENOISE, Fault(2)):
        result = generator.generate_with_fallback(wanted)
    record = result.record
    assert record.settings is not None
    assert (record.settings.width, record.settings.num_inference_steps) == (384, 25)
    assert (record.request.width, record.request.num_inference_steps) == (448, 30)
    assert result.images[0].size == (384, 64)
    assert [attempt.lossless for attempt in record.attempts] == [True, False, False]


def test_load_recovers_without_leaking(
    generator: RobustStableDiffusionGenerator,
    tiny_sd1: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fault = Fault(1)
    place = memory.apply_mode

    def failing_place(*args: Any) -> None:
        fault()
        place(*args)

    monkeypatch.setattr(engine_module, "apply_mode", failing_place)
    result = generator.generate_with_fallback(_request(tiny_sd1))
    assert result.error is None
    assert result.record.attempts[0].stage is Stage.LOAD


def test_load_that_never_fits_is_an_error(
    generator: RobustStableDiffusionGenerator,
    tiny_sd1: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(engine_module, "apply_mode", Fault(1000))
    result = generator.generate_with_fallback(_request(tiny_sd1))
    assert isinstance(result.error, OutOfMemoryError)
    assert result.error.stage is Stage.LOAD
    assert generator.engine.loaded is None


def test_tensors_of_a_failed_attempt_are_freed(
    generator: RobustStableDiffusionGenerator, tiny_sd1: Path
) -> None:
    wanted = _request(tiny_sd1)
    model = generator.engine.load(wanted.model, wanted.execution.dtype)
    seen: list[weakref.ref[torch.Tensor]] = []

    def fail(_: Any, args: tuple[torch.Tensor, ...]) -> None:
        if not seen:
            seen.append(weakref.ref(args[0]))
            raise cuda_out_of_memory()
        # The failed attempt's objects must be released before the next one, without relying on gc.
        assert seen[0]() is None

    handle = model.pipeline.unet.register_forward_pre_hook(fail)
    try:
        assert generator.generate_with_fallback(wanted).error is None
    finally:
        handle.remove()


def test_failed_result_keeps_the_cause_but_no_frames(
    generator: RobustStableDiffusionGenerator,
    tiny_sd1: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    folder = Path(shutil.copytree(tiny_sd1, tmp_path / "copy"))
    (folder / "tokenizer" / "tokenizer.json").write_text("[]")
    error = generator.generate_with_fallback(make_request(folder)).error
    assert isinstance(error, ModelDamagedError)
    assert error.__cause__ is not None
    assert error.__traceback__ is error.__cause__.__traceback__ is None
    logged = [each for each in caplog.records if each.name == "sdtui.engine.generator"]
    assert logged[0].exc_info is not None


def test_other_errors_are_not_retried(
    generator: RobustStableDiffusionGenerator, tiny_sd1: Path
) -> None:
    wanted = _request(tiny_sd1)
    model = generator.engine.load(wanted.model, wanted.execution.dtype)
    fault = Fault(1, lambda: RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    with failing(model, Stage.DENOISE, fault), pytest.raises(RuntimeError, match="mat1"):
        generator.generate_with_fallback(wanted)
    assert fault.passes == 1


def test_finished_pictures_survive_a_failure(
    generator: RobustStableDiffusionGenerator, tiny_sd1: Path
) -> None:
    # More than half of a CPU's batch, so the pictures are made one by one.
    wanted = _request(
        tiny_sd1, width=512, height=264, num_images_per_prompt=2, num_inference_steps=1
    )
    model = generator.engine.load(wanted.model, wanted.execution.dtype)
    finished: list[int] = []
    fault = Fault(0)

    def on_image(index: int, _: Image.Image, __: object) -> None:
        finished.append(index)
        fault.times = 1000

    with failing(model, Stage.DENOISE, fault):
        result = generator.generate_with_fallback(
            wanted.changed(policy="strict"), on_image=on_image
        )
    assert isinstance(result.error, OutOfMemoryError)
    assert finished == [0]
    assert len(result.images) == 1
    assert [image.index for image in result.record.images] == [0]


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory."),
        RuntimeError("CUDA error: out of memory\nCompile with TORCH_USE_CUDA_DSA"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate(handle)"),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
        RuntimeError("MPS backend out of memory (MPS allocated: 5 GB)"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"),
        RuntimeError("could not create a primitive"),
        MemoryError(),
        OSError(12, "Cannot allocate memory"),
    ],
)
def test_out_of_memory_is_recognised_by_class_code_and_message(error: Exception) -> None:
    assert is_out_of_memory(error)


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("expected scalar type Half but found Float"),
        RuntimeError("CUDA error: device-side assert triggered"),
        ValueError("out of memory"),
        OSError(28, "No space left on device"),
    ],
)
def test_other_errors_are_not_taken_for_out_of_memory(error: Exception) -> None:
    assert not is_out_of_memory(error)


def test_failed_runs_leak_no_memory(
    generator: RobustStableDiffusionGenerator, tiny_sd1: Path
) -> None:
    wanted = _request(tiny_sd1, policy="strict", num_inference_steps=1)
    model = generator.engine.load(wanted.model, wanted.execution.dtype)

    def tensors() -> int:
        gc.collect()
        return sum(issubclass(type(thing), torch.Tensor) for thing in gc.get_objects())

    with failing(model, Stage.DECODE, Fault(1000)):
        generator.generate_with_fallback(wanted)
        before = tensors()
        for _ in range(3):
            generator.generate_with_fallback(wanted)
        assert tensors() <= before
