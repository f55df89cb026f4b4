"""Estimates of memory, and what is chosen by them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from sdtui.core.enums import DType
from sdtui.core.settings import Settings
from sdtui.engine.device import Memory
from sdtui.engine.loaded import LoadedModel
from sdtui.engine.pipeline_manager import StableDiffusionEngine
from sdtui.requests.training.optimization import Optimizer
from sdtui.requests.training.request import TrainingRequest
from sdtui.training.conditions import CaptionEncoder
from sdtui.training.memory import kept_for_backward, memory_plan
from sdtui.training.network import TrainedNetwork
from sdtui.training.plan import MemoryNeeds, MemoryPlan, steps_between, steps_for
from tests.support.tiny_models import make_sd2, make_sdxl

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


def _kept(model: LoadedModel, side: int) -> int:
    """Return the bytes that a forward pass of one picture keeps for the backward pass."""
    pipeline = model.pipeline
    tensors: dict[int, torch.Tensor] = {}

    def note(tensor: torch.Tensor) -> torch.Tensor:
        tensors[tensor.untyped_storage()._cdata] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        text, pooled = CaptionEncoder(model, None, is_trained=True).encode(["a dog"])
        added = {"text_embeds": pooled, "time_ids": torch.zeros(1, 6)}
        pipeline.unet(torch.zeros(1, 4, side, side), 5, text, added_cond_kwargs=added)
    modules = [each for each in pipeline.components.values() if isinstance(each, torch.nn.Module)]
    for weight in (value for each in modules for value in (*each.parameters(), *each.buffers())):
        tensors.pop(weight.untyped_storage()._cdata, None)
    return sum(each.untyped_storage().nbytes() for each in tensors.values())


@pytest.mark.parametrize("make", [make_sd2, make_sdxl])
def test_the_estimate_is_what_a_step_keeps_with_trained_text_encoders(
    tmp_path: Path, make: Callable[[Path], Path]
) -> None:
    request = TrainingRequest.parse(
        {"instance_data_dir": tmp_path, "output_name": "x", "train_text_encoder": True}
    )
    with StableDiffusionEngine(Settings(device="cpu")) as engine:
        model = engine.load(str(make(tmp_path / "model")), DType.FLOAT32)
        network = TrainedNetwork(model.pipeline, request)
        kept = kept_for_backward(model, network, 128)
        assert sum(each.everything for each in kept) == pytest.approx(_kept(model, 16), rel=0.1)
        assert all(each.between_blocks < each.everything for each in kept)


@pytest.mark.parametrize(
    ("steps", "between"),
    [(1, 10), (120, 20), (500, 50), (1200, 200), (2000, 250), (900_000, 100_000)],
)
def test_checkpoints_are_about_eight_at_round_steps(steps: int, between: int) -> None:
    assert steps_between(steps) == between


@pytest.mark.parametrize(("pictures", "steps"), [(1, 500), (12, 1200), (10_000, 2000)])
def test_steps_follow_the_number_of_pictures(pictures: int, steps: int) -> None:
    assert steps_for(pictures) == steps
