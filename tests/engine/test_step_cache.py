"""The step cache leaves out calls of a denoiser, and extrapolates what they would give."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from diffusers.models.modeling_outputs import Transformer2DModelOutput
from torch import Tensor, nn

from sdtui.engine.speed.step_cache import StepCache, can_follow

_TIMES = [1.0, 0.8, 0.7, 0.5, 0.4, 0.1]


class _Denoiser:
    """Predicts a line in the timestep, and counts its calls."""

    def __init__(self) -> None:
        self.calls: list[float] = []

    def forward(self, hidden_states: Tensor, timestep: Tensor, sign: float = 1.0) -> Any:
        time = float(timestep)
        self.calls.append(round(time, 3))
        return Transformer2DModelOutput(sample=sign * (3 - 2 * time) * torch.ones(1, 4))


def _run(cache: StepCache, denoiser: _Denoiser, signs: tuple[float, ...] = (1.0,)) -> list[float]:
    """Call the denoiser in each step, once for each sign; return what it predicts."""
    forward = cache.wrapped(0, denoiser.forward)
    found = []
    cache.begin()
    for time in _TIMES:
        for sign in signs:
            latents = torch.full((1, 4), time)
            output = forward(latents, timestep=torch.tensor([time]), sign=sign)
            found.append(float(output.sample[0, 0]))
        cache.after_step()
    return found


def test_no_more_than_two_steps_in_a_row_are_left_out() -> None:
    denoiser, cache = _Denoiser(), StepCache(math.inf)
    assert _run(cache, denoiser) == pytest.approx([3 - 2 * time for time in _TIMES])
    assert denoiser.calls == [1.0, 0.8, 0.4]
    assert cache.summary() == "step cache: 3 of 6 steps skipped"


def test_calls_of_a_step_are_kept_apart() -> None:
    denoiser = _Denoiser()
    found = _run(StepCache(math.inf), denoiser, signs=(1.0, -1.0))
    assert found[::2] == pytest.approx([-each for each in found[1::2]])
    assert denoiser.calls == [1.0, 1.0, 0.8, 0.8, 0.4, 0.4]


def test_every_step_is_computed_where_predictions_change() -> None:
    denoiser, cache = _Denoiser(), StepCache(0.01)
    _run(cache, denoiser)
    assert denoiser.calls == _TIMES
    assert cache.summary() == "step cache: 0 of 6 steps skipped"


def test_other_sizes_are_computed() -> None:
    denoiser, cache = _Denoiser(), StepCache(math.inf)
    forward = cache.wrapped(0, denoiser.forward)
    cache.begin()
    for time, rows in zip(_TIMES[:4], (2, 2, 1, 1), strict=True):
        forward(torch.full((rows, 4), time), timestep=torch.tensor([time]))
        cache.after_step()
    assert denoiser.calls == _TIMES[:4]


def test_nothing_is_known_of_an_earlier_run() -> None:
    denoiser, cache = _Denoiser(), StepCache(math.inf)
    first = _run(cache, denoiser)
    assert _run(cache, denoiser) == first
    assert denoiser.calls == [1.0, 0.8, 0.4] * 2


def test_lists_of_latents_are_followed() -> None:
    calls = []

    def forward(x: list[Tensor], t: Tensor) -> tuple[list[Tensor]]:
        calls.append(float(t[0]))
        return ([each * 0 + float(t[0]) for each in x],)

    cache = StepCache(math.inf)
    cached = cache.wrapped(0, forward)
    cache.begin()
    for time in (0.9, 0.6, 0.3):
        found = cached([torch.full((2, 2), time)] * 2, torch.tensor([time, time]))
        assert [float(each.mean()) for each in found[0]] == pytest.approx([time, time])
        cache.after_step()
    assert calls == pytest.approx([0.9, 0.6])


def test_denoiser_with_other_arguments_is_found_out_before_the_run() -> None:
    class Other(nn.Module):
        def forward(self, pixels: Tensor, when: Tensor) -> Tensor:
            return pixels

    assert not can_follow(Other())
