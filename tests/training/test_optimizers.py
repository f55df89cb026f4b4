"""Optimizers and learning rates."""

from __future__ import annotations

import pytest
import torch

from sdtui.core.errors import TrainingError
from sdtui.requests.training.optimization import LearningRateSchedule, Optimization, Optimizer
from sdtui.training.optimizers import (
    chosen_optimizer,
    learning_rates,
    make_optimizer,
    rate_factor,
)


@pytest.mark.parametrize("kind", [Optimizer.ADAMW, Optimizer.PRODIGY, Optimizer.ADAFACTOR])
def test_each_optimizer_lowers_a_loss(kind: Optimizer) -> None:
    weight = torch.nn.Parameter(torch.full((4, 4), 2.0))
    rate, _ = learning_rates(Optimization(learning_rate=0.1), kind)
    optimizer = make_optimizer(kind, [{"params": [weight], "lr": rate}])
    for _ in range(50):
        optimizer.zero_grad()
        weight.square().sum().backward()
        optimizer.step()
    assert weight.abs().max() < 2


def test_a_missing_library_is_named() -> None:
    with pytest.raises(TrainingError, match="bitsandbytes, which isn't installed"):
        make_optimizer(Optimizer.ADAMW_8BIT, [])


def test_automatic_choice_needs_no_library_on_a_cpu() -> None:
    assert chosen_optimizer(Optimizer.AUTO, on_cuda=False) is Optimizer.ADAMW
    assert chosen_optimizer(Optimizer.PRODIGY, on_cuda=False) is Optimizer.PRODIGY


@pytest.mark.parametrize(
    ("options", "kind", "rates"),
    [
        (Optimization(), Optimizer.ADAMW, (1e-4, 5e-5)),
        (Optimization(), Optimizer.PRODIGY, (1, 1)),
        (Optimization(learning_rate=1e-3, text_encoder_lr=1e-6), Optimizer.ADAMW, (1e-3, 1e-6)),
    ],
)
def test_rates_that_are_left_open_are_usual_ones(
    options: Optimization, kind: Optimizer, rates: tuple[float, float]
) -> None:
    assert learning_rates(options, kind) == rates


@pytest.mark.parametrize(
    ("schedule", "factors"),
    [
        (LearningRateSchedule.CONSTANT, [0, 0.5, 1, 1, 1, 1]),
        (LearningRateSchedule.LINEAR, [0, 0.5, 1, 0.75, 0.5, 0.25]),
        (LearningRateSchedule.COSINE, [0, 0.5, 1, 0.853553, 0.5, 0.146447]),
    ],
)
def test_rate_rises_and_falls(schedule: LearningRateSchedule, factors: list[float]) -> None:
    factor = rate_factor(schedule, 2, 6)
    assert [factor(step) for step in range(6)] == pytest.approx(factors, abs=1e-6)
