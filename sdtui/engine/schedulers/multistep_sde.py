"""DPM++ 3M SDE of k-diffusion (`sample_dpmpp_3m_sde`). diffusers' solver of third order has other
coefficients."""

from __future__ import annotations

import math

import torch

from sdtui.engine.schedulers.base import Noise, SigmaScheduler


class DPMSolver3MSDEScheduler(SigmaScheduler):
    """Extrapolates from the last three predictions, and adds fresh noise at each step."""

    def restart(self) -> None:
        """Forget earlier predictions."""
        self._before: list[tuple[torch.Tensor, float]] = []

    def advance(
        self, index: int, x: torch.Tensor, denoised: torch.Tensor, noise: Noise
    ) -> torch.Tensor:
        """Take a step of first, second or third order, as many as there are predictions."""
        sigma, following = self.levels[index], self.levels[index + 1]
        if following == 0:
            return denoised
        h = math.log(sigma / following)
        decay = math.exp(-2 * h)
        x = decay * x + (1 - decay) * denoised
        phi_2 = math.expm1(-2 * h) / (2 * h) + 1
        if len(self._before) == 1:
            ((earlier, width),) = self._before
            x = x + phi_2 * (denoised - earlier) * (h / width)
        elif self._before:
            (earlier, width), (earliest, wider) = self._before
            ratio, other = width / h, wider / h
            near, far = (denoised - earlier) / ratio, (earlier - earliest) / other
            bend = (near - far) / (ratio + other)
            x = x + phi_2 * (near + bend * ratio) - (phi_2 / (2 * h) - 0.5) * bend
        self._before = [(denoised, h), *self._before][:2]
        return x + noise() * following * math.sqrt(1 - decay)
