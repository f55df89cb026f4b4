"""The batch size."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch

from sdtui.core.enums import DType, MemoryMode
from sdtui.core.settings import Settings
from sdtui.engine.device import Device, Memory
from sdtui.engine.loaded import LoadedModel
from sdtui.engine.memory.batching import (
    LARGEST_BATCH,
    Held,
    choose_batch_size,
    expected_peak,
    weights_on,
)
from sdtui.engine.passes import Pass
from sdtui.engine.pipeline_manager import StableDiffusionEngine
from sdtui.engine.resolved_request import ResolvedRequest
from sdtui.models import estimate_run


@dataclass(frozen=True)
class _Device(Device):
    """A device with a given amount of free memory."""

    free: int = 2**40

    def memory(self) -> Memory:
        return Memory(self.free, 2**40, 0)


Choose = Callable[..., int]


@pytest.fixture(scope="module")
def model(tiny_sd1: Path) -> Iterator[LoadedModel]:
    with StableDiffusionEngine(Settings(device="cpu")) as engine:
        yield engine.load(str(tiny_sd1), DType.FLOAT32)


def _request(side: int) -> ResolvedRequest:
    return ResolvedRequest(
        prompt="a red cat",
        negative_prompt="",
        sampler="DDIM",
        num_inference_steps=1,
        guidance_scale=5.0,
        width=side,
        height=side,
    )


def _choose(model: LoadedModel, side: int, count: int) -> int:
    return choose_batch_size(model, [Pass(_request(side))], count, added=0)


@pytest.mark.parametrize(
    ("side", "count", "expected"),
    [(64, 1, 1), (64, 3, 3), (64, 8, 8), (64, 12, 6), (256, 8, 4), (512, 8, 1), (1024, 8, 1)],
)
def test_cpu_batches_small_pictures(
    model: LoadedModel, side: int, count: int, expected: int
) -> None:
    assert _choose(model, side, count) == expected


def _on_gpu(model: LoadedModel, mode: MemoryMode, free: int) -> LoadedModel:
    device = _Device(torch.device("cuda", 0), free)
    return replace(model, device=device, memory_mode=mode)


def test_gpu_batches_as_many_as_fit(model: LoadedModel) -> None:
    on_gpu = _on_gpu(model, MemoryMode.FULL, 2**40)
    assert _choose(on_gpu, 1024, 8) == LARGEST_BATCH
    assert _choose(on_gpu, 1024, 9) == 5


@pytest.mark.parametrize("mode", [MemoryMode.FULL, MemoryMode.MODEL_OFFLOAD])
def test_pictures_that_do_not_fit_are_split_into_equal_batches(
    model: LoadedModel, mode: MemoryMode
) -> None:
    """There is memory for five of eight pictures: two batches of four."""
    estimate = estimate_run(model.description, DType.FLOAT32, 512, 512, 5)
    free = estimate.peaks[mode] - (estimate.weights if mode is MemoryMode.FULL else 0)
    assert _choose(_on_gpu(model, mode, free), 512, 8) == 4
    assert _choose(_on_gpu(model, mode, 0), 512, 8) == 1


def test_weights_that_are_freed_first_do_not_count_in_the_peak(model: LoadedModel) -> None:
    held = weights_on("cpu", model)
    assert held == sum(each.nbytes for each in model.pipeline.unet.parameters()) + sum(
        each.nbytes
        for part in (model.pipeline.vae, model.pipeline.text_encoder)
        for each in part.parameters()
    )
    passes = [Pass(_request(64))]

    def peak(used: int, weights: int) -> int:
        return expected_peak(model, passes, 1, Held(used, weights), 0)

    own = peak(0, 0)
    assert peak(1000 + held, held) == own + 1000
    assert peak(3 * own, 3 * own) == 3 * own  # it was reached before the run
