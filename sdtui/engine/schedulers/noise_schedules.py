"""Noise schedules, as in modules/sd_schedulers.py of A1111 1.10.

Each takes the noise levels (sigmas) of the model's training, ascending, and the number of steps,
and returns as many levels, descending; the last step goes on to 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy
from numpy.typing import NDArray

Sigmas = NDArray[numpy.float64]
Schedule = Callable[[Sigmas, int], Sigmas]

_BETA = 0.6
"""Both parameters of the beta distribution (Lee et al. 2024, "Beta sampling is all you need")."""
_MOST_NOISE = 20.0
"""Standard deviation; Stable Diffusion has 14.6 at most."""
_TERMS = 60
"""Terms of a power series in numbers up to 1/2: the rest is below 2^-60."""
_HALVINGS = 60

_ALIGNED_SD = (14.615, 6.475, 3.861, 2.697, 1.886, 1.396, 0.963, 0.652, 0.399, 0.152, 0.029)
_ALIGNED_SDXL = (14.615, 6.315, 3.771, 2.181, 1.342, 0.862, 0.555, 0.380, 0.234, 0.113, 0.029)
"""Sabour et al. 2024, "Align your steps": the levels of Stable Diffusion 1.5 and XL."""


def sgm_uniform(trained: Sigmas, steps: int) -> Sigmas:
    """Return even timesteps, of which the last step isn't one: as Stability's generative models."""
    return _at(trained, numpy.linspace(len(trained) - 1, 0, steps + 1)[:-1])


def simple(trained: Sigmas, steps: int) -> Sigmas:
    """Return every nth level of the training."""
    every = len(trained) / steps
    indices = [len(trained) - 1 - int(number * every) for number in range(steps)]
    return trained[indices]


def ddim(trained: Sigmas, steps: int) -> Sigmas:
    """Return the levels that DDIM takes, counted from the lowest."""
    every = max(len(trained) // steps, 1)
    return trained[1::every][:steps][::-1]


def polyexponential(trained: Sigmas, steps: int) -> Sigmas:
    """Return levels that are even in their logarithms (with A1111's exponent, 1)."""
    logs = numpy.linspace(math.log(trained[-1]), math.log(trained[0]), steps)
    levels: Sigmas = numpy.exp(logs)
    return levels


def kl_optimal(trained: Sigmas, steps: int) -> Sigmas:
    """Return levels that are even in their arc tangents (Sabour et al. 2024, eq. 19)."""
    share = numpy.arange(steps) / steps
    levels: Sigmas = numpy.tan(share * math.atan(trained[0]) + (1 - share) * math.atan(trained[-1]))
    return levels


def beta(trained: Sigmas, steps: int) -> Sigmas:
    """Return levels at even quantiles of a beta distribution: of the levels themselves, as A1111
    has it, or of the timesteps, as the paper has it, for models that were trained with more noise
    than Stable Diffusion: nearly all of their levels would be too high for any detail."""
    quantiles = numpy.array([beta_quantile(1 - share) for share in numpy.linspace(0, 1, steps)])
    if trained[-1] > _MOST_NOISE:
        return _at(trained, quantiles * (len(trained) - 1))
    levels: Sigmas = trained[0] + quantiles * (trained[-1] - trained[0])
    return levels


def align_your_steps(levels: tuple[float, ...]) -> Schedule:
    """Return the schedule that interpolates these levels evenly in their logarithms."""

    def aligned(_: Sigmas, steps: int) -> Sigmas:
        wanted, given = numpy.linspace(0, 1, steps), numpy.linspace(0, 1, len(levels))
        found: Sigmas = numpy.exp(numpy.interp(wanted, given, numpy.log(levels)))
        return found

    return aligned


def schedule_of(name: str, family: str) -> Schedule | None:
    """Return the schedule of a name in SCHEDULES for a model's family; None if diffusers has it."""
    if name == "Align Your Steps":
        return align_your_steps(_ALIGNED_SDXL if family == "sdxl" else _ALIGNED_SD)
    return _SCHEDULES.get(name)


def beta_quantile(share: float) -> float:
    """Return the value below which a variable with the distribution Beta(0.6, 0.6) is with the
    probability `share`, by halving intervals."""
    if share > 0.5:
        return 1 - beta_quantile(1 - share)
    low, high = 0.0, 0.5
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if _beta_share(middle) < share else (low, middle)
    return (low + high) / 2


def _beta_share(value: float) -> float:
    """Return the probability that a variable is below `value`, up to 1/2 (Abramowitz and Stegun,
    26.5.4: the incomplete beta function as a power series)."""
    total, term = 0.0, 1.0
    for number in range(_TERMS):
        total += term / (_BETA + number)
        term *= value * (number + 1 - _BETA) / (number + 1)
    return math.pow(value, _BETA) * total * math.gamma(2 * _BETA) / math.gamma(_BETA) ** 2


def _at(trained: Sigmas, timesteps: NDArray[numpy.float64]) -> Sigmas:
    """Return the levels at timesteps, interpolated in their logarithms."""
    logs = numpy.interp(timesteps, numpy.arange(len(trained)), numpy.log(trained))
    levels: Sigmas = numpy.exp(logs)
    return levels


_SCHEDULES: Mapping[str, Schedule] = {
    "Polyexponential": polyexponential,
    "SGM Uniform": sgm_uniform,
    "KL Optimal": kl_optimal,
    "Simple": simple,
    "DDIM": ddim,
    "Beta": beta,
}
