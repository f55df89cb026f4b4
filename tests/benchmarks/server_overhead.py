"""Measure the time that the server adds to a picture of so many seconds.

A calls the engine directly, B waits for the same picture over HTTP; both in one process and on the
worker's thread, since memory of another thread can make the same computation a tenth slower or
faster for the life of the process.

By parts: the time of each picture outside the engine's stages, less that time in A. By the whole:
A B B A in each round, so that drift of the machine counts for both; A over A shows how much is
noise. Noise only adds time, so the fastest quarter of B over that of A is printed too. All on one
core where the process can be pinned, since the cores of a virtual machine differ by a tenth; the
server's own work then counts in full, and torch has one thread. Exits with 1 if more than a
hundredth is added.

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
from sdtui.engine.run import GenerationResult, OnImage
from sdtui.requests.events import Event, Report, report_nothing
from sdtui.requests.record import GenerationRecord
from sdtui.requests.request import GenerationRequest
from tests.benchmarks.served import Middle, Overheard, as_served_on_one_core
from tests.support.live_server import live

_MOST_ADDED = 0.01
"""Of the engine's own time."""


def main() -> None:
    """Measure and tell; ends with 1 if the bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--seconds", type=float, default=3)
    options = parser.parse_args()
    missed = _measure(options.rounds, options.seconds)
    for line in missed:
        _say(f"MISSED: {line}")
    sys.exit(1 if missed else 0)


def _measure(number: int, seconds: float) -> list[str]:
    """Measure; returns what is missed."""
    as_served_on_one_core()
    values: dict[str, Any] = {"prompt": "a red apple", "seed": 1, "width": 128, "height": 128}
    own: list[float] = []
    added: list[float] = []
    with (
        tempfile.TemporaryDirectory() as name,
        live(Path(name), _Watched.make) as running,
        running.client() as ask,
    ):
        generator: _Watched = running.generators[0]
        values["num_inference_steps"] = _steps_of(generator.engine, values, seconds)

        def both(direct_first: bool) -> tuple[_Taken, _Taken]:
            """What the engine takes, and what it takes over HTTP."""
            generator.direct_first = direct_first
            before = _Taken.now()
            answer = ask.post("/generate", json=values)
            over_http = _Taken.now().less(before).less(generator.direct)
            assert answer.status_code == 200, answer.text
            stages = sum(answer.json()["record"]["timings"].values())
            own.append(generator.direct.wall - generator.direct_stages)
            added.append(over_http.wall - stages + generator.callback_seconds)
            return generator.direct, over_http

        both(direct_first=True)
        own.clear()
        added.clear()
        rounds: list[list[_Taken]] = []
        for _ in range(number):
            (first, once), (last, again) = both(direct_first=True), both(direct_first=False)
            rounds.append([first, once, again, last])
            _say(
                f"engine {first.wall:.3f} and {last.wall:.3f} s, "
                f"over HTTP {once.wall:.3f} and {again.wall:.3f} s"
            )
    return _sum_up(rounds, [each - statistics.median(own) for each in added])


class _Taken(NamedTuple):
    """Seconds."""

    wall: float
    cpu: float

    @classmethod
    def now(cls) -> Self:
        """Both clocks."""
        return cls(time.perf_counter(), time.process_time())

    def less(self, other: _Taken) -> _Taken:
        """What is between two times, or what is left of one."""
        return _Taken(self.wall - other.wall, self.cpu - other.cpu)


class _Watched(Overheard):
    """Calls the engine directly too, and times the callbacks for events and pictures, which run
    within the stages."""

    direct_first = True
    direct = _Taken(0.0, 0.0)
    """Of the last picture made directly."""
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
        """As the product's, before or after the same done directly."""
        if self.direct_first:
            self._call_directly(request)
        result = super().generate_with_fallback(
            request, report=report, cancellation=cancellation, on_image=on_image
        )
        if not self.direct_first:
            self._call_directly(request)
        return result

    def _call_directly(self, request: GenerationRequest) -> None:
        before = _Taken.now()
        result = generate(self.engine, request)
        self.direct = _Taken.now().less(before)
        self.direct_stages = sum(result.record.timings.values())

    def between(self, report: Report, on_image: OnImage | None) -> tuple[Report, OnImage | None]:
        """Both, timed."""
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


def _sum_up(rounds: Sequence[Sequence[_Taken]], added: Sequence[float]) -> list[str]:
    """Print what the rounds say; returns what is missed."""
    plain = statistics.median(each.wall for four in rounds for each in (four[0], four[3]))
    _say(f"{len(rounds)} rounds of a picture of {plain:.2f} s; medians, their 95 % intervals")
    parts = Middle.of([each / plain for each in added])
    _say(
        f"by parts (HTTP, queue, events, PNG, saving, base64): {parts}, "
        f"{statistics.median(added) * 1000:.1f} ms, at most {max(added) * 1000:.1f} ms"
    )
    wholes = []
    for clock, name in enumerate(("wall time", "CPU time, the client's with it")):
        columns = [[taken[clock] for taken in four] for four in rounds]
        added = [(once + again) / (first + last) - 1 for first, once, again, last in columns]
        chance = [last / first - 1 for first, _, _, last in columns]
        wholes.append(Middle.of(added))
        _say(f"{name}: {wholes[-1]}; engine over engine {Middle.of(chance)}")
        added_to_quick = Middle.of_quickest([(four[1:3], four[::3]) for four in columns])
        alike = Middle.of_quickest([(four[3:], four[:1]) for four in columns])
        _say(f"  quickest quarters: {added_to_quick}; engine over engine {alike}")
    missed = []
    if parts.median > _MOST_ADDED:
        missed.append(f"added time by parts {parts.median:.2%} > {_MOST_ADDED:.0%}")
    if wholes[0].low > _MOST_ADDED:
        missed.append(f"added time is surely more than {_MOST_ADDED:.0%}")
    return missed


def _steps_of(engine: StableDiffusionEngine, values: Mapping[str, Any], seconds: float) -> int:
    """How many steps take so long."""
    request = GenerationRequest.parse({**values, "num_inference_steps": 20})
    generate(engine, request)
    before = time.perf_counter()
    generate(engine, request)
    return min(150, max(1, round(20 * seconds / (time.perf_counter() - before))))


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
