"""Measure whether the server's work slows down the engine's steps.

In each picture over HTTP the events of every other step, including previews, are sent to the
server. A step after reported events is compared with its two neighbours, which cancels slow drift
of the machine. Everything runs on one core where the process can be pinned: the server's work is
then taken from the engine in full.

    python -m tests.benchmarks.server_steps [--pictures 30] [--steps 60]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from itertools import pairwise
from pathlib import Path

from sdtui.engine.pipeline_manager import StableDiffusionEngine
from sdtui.engine.result import OnImage
from sdtui.requests.events import Event, Preview, Report, Step
from tests.benchmarks.served import InstrumentedGenerator, Statistic, as_served_on_one_core
from tests.support.live_server import live


class _EveryOther(InstrumentedGenerator):
    """Reports the events of every other step and records when each step ended."""

    def __init__(self, engine: StableDiffusionEngine) -> None:
        super().__init__(engine)
        self.pictures: list[list[tuple[float, bool]]] = []
        """For each step: its end, and whether its events were reported."""

    def between(self, report: Report, on_image: OnImage | None) -> tuple[Report, OnImage | None]:
        """Return callbacks for every other step's events, starting with the first in every other
        picture."""
        ends: list[tuple[float, bool]] = []
        starts_reported = len(self.pictures) % 2 == 0
        self.pictures.append(ends)

        def report_every_other(event: Event) -> None:
            if isinstance(event, Step):
                ends.append((time.perf_counter(), (len(ends) % 2 == 0) == starts_reported))
            if not isinstance(event, Step | Preview) or ends[-1][1]:
                report(event)

        return report_every_other, on_image


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=30)
    parser.add_argument("--steps", type=int, default=60)
    options = parser.parse_args()
    as_served_on_one_core()
    values = {"prompt": "a red apple", "width": 128, "height": 128, "seed": 1}
    values["num_inference_steps"] = options.steps
    with (
        tempfile.TemporaryDirectory() as name,
        live(Path(name), _EveryOther.make) as running,
        running.client() as ask,
    ):
        for _ in range(options.pictures + 1):
            answer = ask.post("/generate", json=values)
            assert answer.status_code == 200, answer.text
        pictures = running.generators[0].pictures[1:]  # the first warms up
    _sum_up([step for ends in pictures for step in _compared(ends)])


def _compared(ends: list[tuple[float, bool]]) -> list[tuple[float, float]]:
    """Return each step's seconds, and the additional seconds after reported events."""
    steps = [(end - begin, reported) for (begin, reported), (end, _) in pairwise(ends)]
    compared = []
    for (before, _), (seconds, reported), (after, _) in zip(
        steps, steps[1:], steps[2:], strict=False
    ):
        more = seconds - (before + after) / 2
        compared.append((seconds, more if reported else -more))
    return compared


def _sum_up(compared: list[tuple[float, float]]) -> None:
    step = statistics.median(seconds for seconds, _ in compared)
    added = Statistic.of([more / step for _, more in compared])
    print(f"{len(compared)} steps of {step * 1000:.1f} ms: reported events add {added}")  # noqa: T201


if __name__ == "__main__":
    main()
