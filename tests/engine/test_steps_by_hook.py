"""Progress and cancelling for pipelines whose call takes no callback."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from sdtui.core.cancellation import Cancellation
from sdtui.core.errors import CancelledError
from sdtui.engine.families.step_hook import steps_by_hook
from sdtui.engine.generator import generate
from sdtui.engine.passes import Pass
from sdtui.engine.pipeline_manager import StableDiffusionEngine
from sdtui.engine.resolved_request import ResolvedRequest
from tests.support.requests import make_request
from tests.support.tiny_transformers import save_tiny


class _Denoiser(torch.nn.Module):
    def forward(self, sample: torch.Tensor, timestep: Any = None) -> torch.Tensor:
        return sample


def _pipeline() -> Any:
    return SimpleNamespace(transformer=_Denoiser(), scheduler=None)


def _pass(steps: int) -> Pass:
    return Pass(
        ResolvedRequest(
            prompt="",
            negative_prompt="",
            sampler=None,
            num_inference_steps=steps,
            guidance_scale=1.0,
            width=64,
            height=64,
        )
    )


def _steps(timesteps: list[Any], total: int, *, by_name: bool = True) -> list[tuple[int, int]]:
    """Return the steps that are reported if the denoiser is called with these timesteps."""
    pipeline, seen = _pipeline(), []
    with steps_by_hook(
        pipeline, _pass(total), lambda state: seen.append((state.step, state.total))
    ) as end_steps:
        for timestep in timesteps:
            if by_name:
                pipeline.transformer(torch.zeros(1), timestep=timestep)
            else:
                pipeline.transformer(torch.zeros(1), timestep)
        end_steps()
    assert not pipeline.transformer._forward_pre_hooks
    return seen


_THREE = [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize(
    "timesteps",
    [
        [999.0, 500.0, 1.0],
        [999, 999, 500, 500, 1, 1],  # guidance as a second call
        [torch.tensor([9.0, 9.0]), torch.tensor([5.0, 5.0]), torch.tensor([1.0, 1.0])],
        [None, None, None],
    ],
)
@pytest.mark.parametrize("by_name", [True, False])
def test_steps_are_counted_by_timestep(timesteps: list[Any], by_name: bool) -> None:
    assert _steps(timesteps, 3, by_name=by_name) == _THREE


def test_more_calls_than_steps_never_exceed_the_total() -> None:
    assert _steps([9.0, 8.0, 7.0, 6.0, 5.0], 3) == _THREE


def test_fewer_timesteps_than_steps_end_at_the_total() -> None:
    assert _steps([9.0, 9.0, 5.0], 3) == [(1, 3), (3, 3)]


def test_pipeline_without_a_single_denoiser_reports_no_steps() -> None:
    seen: list[Any] = []
    with steps_by_hook(SimpleNamespace(decoder=_Denoiser()), _pass(3), seen.append) as end_steps:
        end_steps()
    assert not seen


def test_run_is_cancelled_between_steps_and_the_hook_removed(
    shared_engine: StableDiffusionEngine, tmp_path: Path
) -> None:
    request = make_request(
        save_tiny("pixart", tmp_path / "pixart"), num_inference_steps=8, width=128, height=96
    )
    cancellation, steps = Cancellation(), []

    def cancel_at_two(event: Any) -> None:
        if event.kind == "step":
            steps.append((event.step, event.total))
            if event.step == 2:
                cancellation.stop_now()

    with pytest.raises(CancelledError):
        generate(shared_engine, request, report=cancel_at_two, cancellation=cancellation)
    assert steps == [(1, 8), (2, 8)]
    loaded = shared_engine.loaded
    assert loaded is not None
    assert not loaded.denoiser._forward_pre_hooks
