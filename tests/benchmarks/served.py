"""What the benchmarks of the server's cost share: one core, a generator that can be listened to,
and how sure a median is."""

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
from sdtui.engine.run import GenerationResult, OnImage
from sdtui.jobs.generator import make_generator
from sdtui.requests.events import Report, report_nothing
from sdtui.requests.request import GenerationRequest


def as_served_on_one_core() -> None:
    """From now on compute on one core, where there is a way to stay on it, and take turns as
    `sdtui serve` does: whatever the server does is taken from the engine there."""
    quiet_libraries()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    os.environ["OMP_NUM_THREADS"] = "1"  # or the engine would choose by itself
    torch.set_num_threads(1)
    shorten_thread_turns()


class Overheard(RobustStableDiffusionGenerator):
    """The product's generator, with something between it and those it tells."""

    @classmethod
    def make(cls, settings: Settings) -> Self:
        """As the worker makes its own."""
        return cls(make_generator(settings).engine)

    def between(self, report: Report, on_image: OnImage | None) -> tuple[Report, OnImage | None]:
        """What takes the place of both while one request is carried out."""
        return report, on_image

    def generate_with_fallback(
        self,
        request: GenerationRequest,
        *,
        report: Report = report_nothing,
        cancellation: Cancellation | None = None,
        on_image: OnImage | None = None,
    ) -> GenerationResult:
        """As the product's."""
        report, on_image = self.between(report, on_image)
        return super().generate_with_fallback(
            request, report=report, cancellation=cancellation, on_image=on_image
        )


class Middle(NamedTuple):
    """A median or another figure, and where it lies with 95 % confidence."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Middle:
        """Of some ratios; the interval by ranks, as of the sign test."""
        ordered = sorted(values)
        rank = max(0, math.floor(len(ordered) / 2 - 0.98 * math.sqrt(len(ordered))))
        return cls(statistics.median(ordered), ordered[rank], ordered[-1 - rank])

    @classmethod
    def of_quickest(cls, rounds: Sequence[tuple[Sequence[float], Sequence[float]]]) -> Middle:
        """How much more time the quickest quarter of what comes first in each round takes than
        that of what comes second; the interval by drawing rounds again and again (bootstrap)."""
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
