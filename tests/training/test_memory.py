"""Estimates of memory, and what is chosen by them."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdtui.core.settings import Settings
from sdtui.engine.device import Memory
from sdtui.engine.pipeline_manager import StableDiffusionEngine
from sdtui.requests.training.optimization import Optimizer
from sdtui.requests.training.request import TrainingRequest
from sdtui.training.memory import memory_needs, memory_plan
from sdtui.training.network import TrainedNetwork
from sdtui.training.plan import MemoryNeeds, MemoryPlan, steps_between, steps_for

_NEEDS = MemoryNeeds(trained=10, activations=1000, checkpointed=300)


def _plan(free: int, **values: object) -> MemoryPlan:
    request = TrainingRequest.parse({"instance_data_dir": "/data", "output_name": "x", **values})
    memory = Memory(free=free, total=10_000, used=50)
    return memory_plan(request, _NEEDS, Optimizer.ADAMW, memory)


@pytest.mark.parametrize(
    ("free", "checkpointing", "pieces"),
    [(9500, False, 1), (3500, True, 1), (1700, True, 2), (10, True, 8)],
)
def test_the_fastest_plan_that_fits_is_chosen(free: int, checkpointing: bool, pieces: int) -> None:
    plan = _plan(free, train_batch_size=8)
    assert (plan.gradient_checkpointing, plan.pieces) == (checkpointing, pieces)
    assert plan.estimate == _NEEDS.peak(plan) + 50


def test_what_was_asked_for_stays() -> None:
    plan = _plan(10, gradient_checkpointing=False, train_batch_size=8)
    assert (plan.gradient_checkpointing, plan.pieces) == (False, 8)
    assert _plan(9000, gradient_checkpointing=True).gradient_checkpointing


def test_activations_grow_with_the_picture_and_shrink_with_checkpointing(
    tiny_sd1: Path, tmp_path: Path
) -> None:
    request = TrainingRequest.parse({"instance_data_dir": tmp_path, "output_name": "x"})
    with StableDiffusionEngine(Settings(device="cpu")) as engine:
        model = engine.load(str(tiny_sd1))
        network = TrainedNetwork(model.pipeline, request)
        small, large = (memory_needs(model, network, side) for side in (128, 256))
    assert small.trained == network.size
    assert 3 < large.activations / small.activations < 5
    assert large.checkpointed < large.activations


@pytest.mark.parametrize(
    ("steps", "between"),
    [(1, 10), (120, 20), (500, 50), (1200, 200), (2000, 250), (900_000, 100_000)],
)
def test_checkpoints_are_about_eight_at_round_steps(steps: int, between: int) -> None:
    assert steps_between(steps) == between


@pytest.mark.parametrize(("pictures", "steps"), [(1, 500), (12, 1200), (10_000, 2000)])
def test_steps_follow_the_number_of_pictures(pictures: int, steps: int) -> None:
    assert steps_for(pictures) == steps
