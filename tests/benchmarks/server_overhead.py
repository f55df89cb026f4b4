"""Measure the time that the server adds to a picture of a given number of seconds.

A calls the engine directly, B waits for the same picture over HTTP; both run in one process and on
the worker's thread, since memory allocated by another thread can make the same computation a tenth
slower or faster for the life of the process.

By parts: the time of each picture outside the engine's stages, minus that time in A. As a whole: A
B B A in each round, so that drift of the machine affects both; A over A shows the noise. Noise only
adds time, so the ratio of the fastest quarters of B and A is printed too. Everything runs on one
core where the process can be pinned, since the cores of a virtual machine differ by a tenth; the
server's own work then counts in full, and torch has one thread. Exits with 1 if more than 1 % is
added.

    python -m tests.benchmarks.server_overhead [--rounds 15] [--seconds 3]
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

from PIL import Image

from sdtui.core.cancellation import Cancellation
from sdtui.engine.generator import generate
from sdtui.engine.pipeline_manager import StableDiffusionEngine
from sdtui.engine.result import GenerationResult, OnImage
from sdtui.requests.events import Event, Report, report_nothing
from sdtui.requests.record import GenerationRecord
from sdtui.requests.request import GenerationRequest
from tests.benchmarks.served import InstrumentedGenerator, Statistic, as_served_on_one_core
from tests.support.live_server import live

_MOST_ADDED = 0.01
"""As a fraction of the engine's own time."""


def main() -> None:
    """Measure and print; exits with 1 if the limit is exceeded."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--seconds", type=float, default=3)
    options = parser.parse_args()
    missed = _measure(options.rounds, options.seconds)
    for line in missed:
        _say(f"MISSED: {line}")
    sys.exit(1 if missed else 0)


def _measure(number: int, seconds: float) -> list[str]:
    """Measure and return the exceeded limits."""
    as_served_on_one_core()
    values: dict[str, Any] = {"prompt": "a red apple", "seed": 1, "width": 128, "height": 128}
    own: list[float] = []
    added: list[float] = []
    with (
        tempfile.TemporaryDirectory() as name,
        live(Path(name), _TimedGenerator.make) as running,
        running.client() as ask,
    ):
        generator: _TimedGenerator = running.generators[0]
        values["num_inference_steps"] = _steps_of(generator.engine, values, seconds)

        def measure_pair(direct_first: bool) -> tuple[_Times, _Times]:
            """Return the times of the engine alone and over HTTP."""
            generator.direct_first = direct_first
            before = _Times.now()
            answer = ask.post("/generate", json=values)
            over_http = _Times.now().minus(before).minus(generator.direct)
            assert answer.status_code == 200, answer.text
            stages = sum(answer.json()["record"]["timings"].values())
            own.append(generator.direct.wall - generator.direct_stages)
            added.append(over_http.wall - stages + generator.callback_seconds)
            return generator.direct, over_http

        measure_pair(direct_first=True)
        own.clear()
        added.clear()
        rounds: list[list[_Times]] = []
        for _ in range(number):
            (first, once), (last, again) = (
                measure_pair(direct_first=True),
                measure_pair(direct_first=False),
            )
            rounds.append([first, once, again, last])
            _say(
                f"engine {first.wall:.3f} and {last.wall:.3f} s, "
                f"over HTTP {once.wall:.3f} and {again.wall:.3f} s"
            )
    return _sum_up(rounds, [each - statistics.median(own) for each in added])


class _Times(NamedTuple):
    """Seconds."""

    wall: float
    cpu: float

    @classmethod
    def now(cls) -> Self:
        """Return both clocks' times."""
        return cls(time.perf_counter(), time.process_time())

    def minus(self, other: _Times) -> _Times:
        """Return the difference."""
        return _Times(self.wall - other.wall, self.cpu - other.cpu)


class _TimedGenerator(InstrumentedGenerator):
    """Also calls the engine directly, and times the callbacks for events and pictures, which run
    within the stages."""

    direct_first = True
    direct = _Times(0.0, 0.0)
    """Of the last direct picture."""
    direct_stages = 0.0
    callback_seconds = 0.0
    """Seconds of the last picture."""

    def generate_with_fallback(
        self,
        request: GenerationRequest,
        *,
        report: Report = report_nothing,
        cancellation: Cancellation | None = None,
        on_image: OnImage | None = None,
    ) -> GenerationResult:
        """Run a request, and before or after it the same one directly on the engine."""
        if self.direct_first:
            self._call_directly(request)
        result = super().generate_with_fallback(
            request, report=report, cancellation=cancellation, on_image=on_image
        )
        if not self.direct_first:
            self._call_directly(request)
        return result

    def _call_directly(self, request: GenerationRequest) -> None:
        before = _Times.now()
        result = generate(self.engine, request)
        self.direct = _Times.now().minus(before)
        self.direct_stages = sum(result.record.timings.values())

    def between(self, report: Report, on_image: OnImage | None) -> tuple[Report, OnImage | None]:
        """Return both callbacks, timed."""
        self.callback_seconds = 0.0

        def timed_report(event: Event) -> None:
            before = time.perf_counter()
            report(event)
            self.callback_seconds += time.perf_counter() - before

        def saved(index: int, image: Image.Image, record: GenerationRecord) -> None:
            before = time.perf_counter()
            if on_image is not None:
                on_image(index, image, record)
            self.callback_seconds += time.perf_counter() - before

        return timed_report, saved


def _sum_up(rounds: Sequence[Sequence[_Times]], added: Sequence[float]) -> list[str]:
    """Print the results of the rounds; return the exceeded limits."""
    plain = statistics.median(each.wall for four in rounds for each in (four[0], four[3]))
    _say(f"{len(rounds)} rounds of a picture of {plain:.2f} s; medians, their 95 % intervals")
    parts = Statistic.of([each / plain for each in added])
    _say(
        f"by parts (HTTP, queue, events, PNG, saving, base64): {parts}, "
        f"{statistics.median(added) * 1000:.1f} ms, at most {max(added) * 1000:.1f} ms"
    )
    wholes = []
    for clock, name in enumerate(("wall time", "CPU time, the client's with it")):
        columns = [[taken[clock] for taken in four] for four in rounds]
        added = [(once + again) / (first + last) - 1 for first, once, again, last in columns]
        chance = [last / first - 1 for first, _, _, last in columns]
        wholes.append(Statistic.of(added))
        _say(f"{name}: {wholes[-1]}; engine over engine {Statistic.of(chance)}")
        added_to_quick = Statistic.of_lower_quartiles([(four[1:3], four[::3]) for four in columns])
        alike = Statistic.of_lower_quartiles([(four[3:], four[:1]) for four in columns])
        _say(f"  quickest quarters: {added_to_quick}; engine over engine {alike}")
    missed = []
    if parts.median > _MOST_ADDED:
        missed.append(f"added time by parts {parts.median:.2%} > {_MOST_ADDED:.0%}")
    if wholes[0].low > _MOST_ADDED:
        missed.append(f"added time is surely more than {_MOST_ADDED:.0%}")
    return missed


def _steps_of(engine: StableDiffusionEngine, values: Mapping[str, Any], seconds: float) -> int:
    """Return the number of steps that take this long."""
    request = GenerationRequest.parse({**values, "num_inference_steps": 20})
    generate(engine, request)
    before = time.perf_counter()
    generate(engine, request)
    return min(150, max(1, round(20 * seconds / (time.perf_counter() - before))))


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
