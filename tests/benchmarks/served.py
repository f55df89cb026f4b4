"""Helpers of the server's overhead benchmarks: pinning to one core, a generator that can be
instrumented, and confidence intervals of medians."""

from __future__ import annotations

import math
import os
import random
import statistics
from collections.abc import Sequence
from typing import NamedTuple, Self

import torch

from sdtui.core.cancellation import Cancellation
from sdtui.core.runtime import shorten_thread_turns
from sdtui.core.settings import Settings
from sdtui.engine.generator import RobustStableDiffusionGenerator
from sdtui.engine.library_setup import quiet_libraries
from sdtui.engine.result import GenerationResult, OnImage
from sdtui.jobs.generator import make_generator
from sdtui.requests.events import Report, report_nothing
from sdtui.requests.request import GenerationRequest


def as_served_on_one_core() -> None:
    """Pin this process to one core if possible, with one torch thread and the thread switch
    interval of `sdtui serve`, so that the server's work is taken from the engine in full."""
    quiet_libraries()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    os.environ["OMP_NUM_THREADS"] = "1"  # or the engine would choose by itself
    torch.set_num_threads(1)
    shorten_thread_turns()


class InstrumentedGenerator(RobustStableDiffusionGenerator):
    """The product's generator, with instrumented callbacks."""

    @classmethod
    def make(cls, settings: Settings) -> Self:
        """Create the generator, as the worker does."""
        return cls(make_generator(settings).engine)

    def between(self, report: Report, on_image: OnImage | None) -> tuple[Report, OnImage | None]:
        """Return replacements of both callbacks for one request."""
        return report, on_image

    def generate_with_fallback(
        self,
        request: GenerationRequest,
        *,
        report: Report = report_nothing,
        cancellation: Cancellation | None = None,
        on_image: OnImage | None = None,
    ) -> GenerationResult:
        """Run a request with the replaced callbacks."""
        report, on_image = self.between(report, on_image)
        return super().generate_with_fallback(
            request, report=report, cancellation=cancellation, on_image=on_image
        )


class Statistic(NamedTuple):
    """A median or another statistic with its 95 % confidence interval."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Statistic:
        """Return the median of ratios; the interval is from ranks, as in the sign test."""
        ordered = sorted(values)
        rank = max(0, math.floor(len(ordered) / 2 - 0.98 * math.sqrt(len(ordered))))
        return cls(statistics.median(ordered), ordered[rank], ordered[-1 - rank])

    @classmethod
    def of_lower_quartiles(
        cls, rounds: Sequence[tuple[Sequence[float], Sequence[float]]]
    ) -> Statistic:
        """Return the relative excess of the lower quartile of the first values in each round over
        that of the second; the interval is from resampling the rounds (bootstrap)."""
        chance = random.Random(0)

        def more(drawn: Sequence[tuple[Sequence[float], Sequence[float]]]) -> float:
            first, second = ([each for pair in drawn for each in pair[side]] for side in (0, 1))
            return _lower_quartile(first) / _lower_quartile(second) - 1

        ordered = sorted(more(chance.choices(rounds, k=len(rounds))) for _ in range(2000))
        return cls(more(rounds), ordered[50], ordered[-51])

    def __str__(self) -> str:
        return f"{self.median:+.2%} ({self.low:+.2%} to {self.high:+.2%})"


def _lower_quartile(values: Sequence[float]) -> float:
    return statistics.quantiles(values, n=4, method="inclusive")[0]
