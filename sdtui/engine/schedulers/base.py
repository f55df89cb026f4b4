"""The base of sdtui's own schedulers, and how any scheduler gets a noise schedule."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import diffusers
import numpy
import torch
from diffusers.schedulers.scheduling_euler_discrete import EulerDiscreteSchedulerOutput
from diffusers.utils.torch_utils import randn_tensor

from sdtui.engine.schedulers.noise_schedules import Schedule, Sigmas

_Euler: Any = diffusers.EulerDiscreteScheduler

Noise = Callable[[], torch.Tensor]
"""Draws standard normal noise of the sample's shape."""


def with_schedule(scheduler: type[Any], schedule: Schedule) -> type[Any]:
    """Return a subclass of a scheduler whose Karras schedule is `schedule`. All schedulers of
    diffusers that have one compute it in the same method."""

    def convert(self: Any, in_sigmas: object, num_inference_steps: int) -> Sigmas:
        return schedule(trained_sigmas(self), num_inference_steps)

    def set_timesteps(self: Any, *args: Any, **options: Any) -> None:
        scheduler.set_timesteps(self, *args, **options)
        # Steps may share a timestep, of which diffusers would begin with the second.
        self.set_begin_index(0)
        if self.sigmas[-1] == self.sigmas[-2]:  # DEIS repeats the last level, and can't take 0
            self.sigmas[-1] = trained_sigmas(self)[0]

    methods = {"_convert_to_karras": convert, "set_timesteps": set_timesteps}
    return type(scheduler.__name__, (scheduler,), methods)


def trained_sigmas(scheduler: Any) -> Sigmas:
    """Return the noise levels of a model's training, ascending."""
    alphas = scheduler.alphas_cumprod.double().numpy()
    levels: Sigmas = ((1 - alphas) / alphas) ** 0.5
    return levels


class SigmaScheduler(_Euler):  # type: ignore[misc]  # diffusers has no types
    """A sampler of k-diffusion: x is data + sigma · noise, and sigmas descend to 0.

    Subclasses implement `advance`. With two evaluations a step, they also set `order` = 2 and
    `evaluated_at`; the timesteps of all evaluations follow one another, as in diffusers' schedulers
    of second order.
    """

    sigmas: torch.Tensor
    """Of each evaluation, and 0."""
    levels: list[float]
    """The sigma of each step, and that after the last."""

    def set_timesteps(
        self, num_inference_steps: int, device: str | torch.device | None = None
    ) -> None:
        """Choose the levels, and the timesteps at which the model is evaluated."""
        super().set_timesteps(num_inference_steps, device)
        self.levels = self.sigmas.tolist()
        points = self.evaluated_at(self.levels)
        if self.order > 1:
            logs = numpy.log(trained_sigmas(self))
            timesteps = [float(self._sigma_to_t(numpy.array(each), logs)) for each in points]
            self.timesteps = torch.tensor(timesteps, dtype=torch.float32, device=device)
            self.sigmas = torch.tensor([*points, 0.0], dtype=torch.float32)
        self.set_begin_index(0)
        self.restart()

    def evaluated_at(self, levels: list[float]) -> list[float]:
        """Return the sigma of each evaluation of the model."""
        return levels[:-1]

    def restart(self) -> None:
        """Forget earlier evaluations."""

    def step(
        self,
        model_output: torch.Tensor,
        timestep: float | torch.Tensor,
        sample: torch.Tensor,
        generator: torch.Generator | list[torch.Generator] | None = None,
        return_dict: bool = True,
    ) -> Any:
        """Return the sample at which the model is evaluated next, in its own precision; computed in
        float32."""
        if self.step_index is None:
            self._init_step_index(timestep)
        index: int = self.step_index
        x = sample.to(torch.float32)
        denoised = self._denoised(model_output.to(torch.float32), x, float(self.sigmas[index]))

        def noise() -> torch.Tensor:
            drawn: torch.Tensor = randn_tensor(
                x.shape, generator=generator, device=x.device, dtype=x.dtype
            )
            return drawn

        following = self.advance(index, x, denoised, noise).to(model_output.dtype)
        self._step_index = index + 1
        if not return_dict:
            return following, denoised
        return EulerDiscreteSchedulerOutput(following, denoised)

    def _denoised(self, output: torch.Tensor, x: torch.Tensor, sigma: float) -> torch.Tensor:
        """Return the data that the model predicts."""
        kind = self.config.prediction_type
        if kind == "sample":
            return output
        if kind == "v_prediction":
            return output * (-sigma / math.hypot(sigma, 1)) + x / (sigma**2 + 1)
        return x - sigma * output

    def advance(
        self, index: int, x: torch.Tensor, denoised: torch.Tensor, noise: Noise
    ) -> torch.Tensor:
        """Return the sample of the next evaluation; `index` counts the evaluations."""
        raise NotImplementedError
