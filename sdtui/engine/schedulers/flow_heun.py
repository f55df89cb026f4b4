"""Heun's method for flow models."""

from __future__ import annotations

from typing import Any

import diffusers
import torch
from diffusers.schedulers.scheduling_flow_match_euler_discrete import (
    FlowMatchEulerDiscreteSchedulerOutput,
)

_Euler: Any = diffusers.FlowMatchEulerDiscreteScheduler


class FlowMatchHeunDiscreteScheduler(_Euler):  # type: ignore[misc]  # diffusers has no types
    """A step of Euler, corrected by the slope at its end (Karras et al. 2022, algorithm 1 without
    churn). The class of the same name in diffusers takes neither the noise levels that pipelines
    pass nor a shift that depends on the size of the picture."""

    order = 2
    timesteps: torch.Tensor
    sigmas: torch.Tensor
    """Those of the evaluations, and 0."""
    _step_index: int | None

    def set_timesteps(
        self,
        num_inference_steps: int | None = None,
        device: Any = None,
        sigmas: list[float] | None = None,
        mu: float | None = None,
        timesteps: list[float] | None = None,
    ) -> None:
        """Set those of Euler, each but the first twice: as the end of a step and the beginning of
        the next. Pipelines look up the names of the parameters."""
        super().set_timesteps(num_inference_steps, device, sigmas, mu, timesteps)
        times, levels = self.timesteps, self.sigmas
        self.timesteps = torch.cat([times[:1], times[1:].repeat_interleave(2)])
        self.sigmas = torch.cat([levels[:1], levels[1:-1].repeat_interleave(2), levels[-1:]])
        self._started: tuple[torch.Tensor, torch.Tensor] | None = None

    def step(
        self,
        model_output: torch.Tensor,
        timestep: torch.Tensor,
        sample: torch.Tensor,
        *,
        return_dict: bool = True,
        **_: Any,
    ) -> Any:
        """Take a step of Euler, or correct the one before; the last one is not corrected."""
        if self._step_index is None:
            self._init_step_index(timestep)
        index = self._step_index or 0
        slope = model_output.float()
        if self._started is None:
            start = sample.float()
            width = self.sigmas[index + 1] - self.sigmas[index]
            self._started = start, slope
        else:
            start, first = self._started
            width = self.sigmas[index] - self.sigmas[index - 1]
            slope = (first + slope) / 2
            self._started = None
        self._step_index = index + 1
        stepped: Any = (start + slope * width).to(model_output.dtype)
        if return_dict:
            return FlowMatchEulerDiscreteSchedulerOutput(prev_sample=stepped)
        return (stepped,)
