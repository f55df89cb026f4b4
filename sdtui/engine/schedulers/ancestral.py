"""Ancestral samplers of k-diffusion (k_diffusion/sampling.py): each step goes a little further down
than it has to, and noise is added."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import diffusers
import torch

from sdtui.engine.schedulers.base import Noise, SigmaScheduler

_KDPM2Ancestral: Any = diffusers.KDPM2AncestralDiscreteScheduler


class EulerAncestralScheduler(SigmaScheduler):
    """`sample_euler_ancestral`, for the noise schedules that diffusers' own class doesn't take."""

    def advance(
        self, index: int, x: torch.Tensor, denoised: torch.Tensor, noise: Noise
    ) -> torch.Tensor:
        """Take a step of Euler's method."""
        sigma, following = self.levels[index], self.levels[index + 1]
        down, up = ancestral_step(sigma, following)
        x = x + (x - denoised) / sigma * (down - sigma)
        return x + noise() * up if following > 0 else x


class DPMSolverAncestralScheduler(SigmaScheduler):
    """`sample_dpmpp_2s_ancestral`: DPM-Solver++(2S) of Lu et al. 2022, with a second evaluation
    halfway down in log sigma."""

    order = 2

    def restart(self) -> None:
        """Forget the sample of a step that has begun."""
        self._begun: torch.Tensor | None = None

    def evaluated_at(self, levels: list[float]) -> list[float]:
        """Return the level of each step followed by the one halfway; the last step has no other."""
        points = []
        for sigma, following in pairwise(levels[:-1]):
            points += [sigma, math.sqrt(sigma * ancestral_step(sigma, following)[0])]
        return [*points, levels[-2]]

    def advance(
        self, index: int, x: torch.Tensor, denoised: torch.Tensor, noise: Noise
    ) -> torch.Tensor:
        """Go halfway, or from the begun step's sample all the way."""
        sigma, following = self.levels[index // 2], self.levels[index // 2 + 1]
        if following == 0:
            return denoised
        down, up = ancestral_step(sigma, following)
        if self._begun is None:
            self._begun = x
            share = math.sqrt(down / sigma)
            return share * x + (1 - share) * denoised
        x, self._begun = self._begun, None
        share = down / sigma
        return share * x + (1 - share) * denoised + noise() * up


class KDPM2AncestralDiscreteScheduler(_KDPM2Ancestral):  # type: ignore[misc]
    """The class of diffusers. Where levels are far apart, rounding makes its variances negative and
    their roots NaN."""

    sigmas_down: torch.Tensor
    sigmas_interpol: torch.Tensor
    timesteps: torch.Tensor

    def set_timesteps(self, *args: Any, **options: Any) -> None:
        """Set the levels and timesteps of a number of steps."""
        super().set_timesteps(*args, **options)
        # Every level but the first stands twice. The level to go down to is next^2 / sigma, and so
        # the one halfway in log sigma is the next level.
        index = (torch.arange(len(self.sigmas)) + 1) // 2 * 2 + 1
        following = self.sigmas[index.clamp(max=len(self.sigmas) - 1)]
        self.sigmas_down = _without_nan(self.sigmas_down, following**2 / self.sigmas)
        self.sigmas_interpol = _without_nan(self.sigmas_interpol, following)
        self.timesteps = _without_nan(self.timesteps, self.timesteps.roll(-1))


def _without_nan(values: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
    return torch.where(values.isnan(), others.to(values.device), values)


def ancestral_step(sigma: float, following: float) -> tuple[float, float]:
    """Return the level to go down to and the standard deviation of the noise to add, so that both
    together give the level `following` (`get_ancestral_step` with eta 1)."""
    up = min(following, math.sqrt(following**2 * (sigma**2 - following**2) / sigma**2))
    return math.sqrt(following**2 - up**2), up
