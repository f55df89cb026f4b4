"""Restart (Xu et al. 2023, "Restart sampling for improving generative processes"), as in
modules/sd_samplers_extra.py of A1111."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy
import torch

from sdtui.engine.schedulers.base import Noise, SigmaScheduler

_LOWEST, _HIGHEST = 0.1, 2.0
"""The levels between which noise is added and taken away again."""
_FEWEST, _MANY = 20, 36
"""Steps from which on it restarts, and restarts twice."""
_STEPS = 9
"""Of a restart, below `_MANY` steps."""


class RestartScheduler(SigmaScheduler):
    """Heun's method, going back up by adding noise once or twice near the end."""

    order = 2

    def restart(self) -> None:
        """Forget the step that has begun."""
        self._begun: tuple[torch.Tensor, torch.Tensor] | None = None

    def evaluated_at(self, levels: list[float]) -> list[float]:
        """Return both ends of each step; the last one goes to 0, where there is no evaluation."""
        self._steps = restarting_steps(levels)
        return [sigma for step in self._steps for sigma in step if sigma > 0]

    def advance(
        self, index: int, x: torch.Tensor, denoised: torch.Tensor, noise: Noise
    ) -> torch.Tensor:
        """Take a step of Euler's method, or correct it with the derivative at its end."""
        sigma, following = self._steps[index // 2]
        if self._begun is None:
            derivative = (x - denoised) / sigma
            if following > 0:
                self._begun = x, derivative
            return x + derivative * (following - sigma)
        (x, first), derivative = self._begun, (x - denoised) / following
        self._begun = None
        x = x + (first + derivative) / 2 * (following - sigma)
        higher = self._steps[index // 2 + 1][0]
        return x + noise() * math.sqrt(higher**2 - following**2) if higher > following else x


def restarting_steps(levels: list[float]) -> list[tuple[float, float]]:
    """Return the ends of each step; there are as many as the levels have. With enough of them, the
    levels themselves are replaced by Karras's."""
    count = len(levels) - 1
    if count < _FEWEST:
        return list(pairwise(levels))
    restarts, length = (2, count // 4) if count >= _MANY else (1, _STEPS)
    levels = [*karras(count - restarts * length, levels[-2], levels[0]), 0.0]
    lowest, highest = _nearest(levels, _LOWEST), _nearest(levels, _HIGHEST)
    steps = list(pairwise(levels))
    if lowest == 0 or highest >= lowest:
        return steps
    again = karras(length + 1, levels[lowest], levels[highest])
    return [
        *steps[:lowest],
        *list(pairwise(again)) * restarts,
        *steps[lowest:],
    ]


def karras(count: int, lowest: float, highest: float) -> list[float]:
    """Return levels that are even in their seventh roots (Karras et al. 2022, eq. 5)."""
    roots = numpy.linspace(highest ** (1 / 7), lowest ** (1 / 7), count)
    return [float(each) for each in roots**7]


def _nearest(levels: list[float], wanted: float) -> int:
    return min(range(len(levels)), key=lambda index: abs(levels[index] - wanted))
