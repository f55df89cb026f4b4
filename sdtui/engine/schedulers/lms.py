"""LMS: linear multistep of k-diffusion (`sample_lms`), without SciPy."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy
import torch

from sdtui.engine.schedulers.base import Noise, SigmaScheduler

_ORDER = 4


class LMSDiscreteScheduler(SigmaScheduler):
    """Fits a polynomial to the last four derivatives. The name is that of diffusers' class, which
    computes the same with SciPy."""

    def restart(self) -> None:
        """Forget the derivatives."""
        self._derivatives: list[torch.Tensor] = []

    def advance(
        self, index: int, x: torch.Tensor, denoised: torch.Tensor, noise: Noise
    ) -> torch.Tensor:
        """Integrate the polynomial from this level to the next."""
        derivative = (x - denoised) / self.levels[index]
        self._derivatives = [derivative, *self._derivatives][:_ORDER]
        count = len(self._derivatives)
        for number, each in enumerate(self._derivatives):
            x = x + coefficient(self.levels, index, number, count) * each
        return x


def coefficient(levels: Sequence[float], index: int, number: int, count: int) -> float:
    """Return the weight of the derivative `number` steps ago of the last `count`, for the step from
    `levels[index]` to the next: the integral of its Lagrange polynomial.

    Gauss and Legendre's rule with two nodes is exact for these polynomials, which are of the third
    degree at most.
    """
    nodes, weights = numpy.polynomial.legendre.leggauss(_ORDER // 2)
    half = (levels[index + 1] - levels[index]) / 2
    middle = (levels[index + 1] + levels[index]) / 2
    past = [levels[index - other] for other in range(count)]
    own = past.pop(number)
    values = (
        math.prod((middle + half * node - other) / (own - other) for other in past)
        for node in nodes
    )
    return float(half * sum(weight * value for weight, value in zip(weights, values, strict=True)))
