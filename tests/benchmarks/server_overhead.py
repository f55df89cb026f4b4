"""What the server adds to the engine's time for a picture of so many seconds, called directly (A)
and over HTTP (B) in the same process.

By parts: what there is beside the engine's own work, each picture. By the whole: A B B A in each
round, so that what makes a machine slower or quicker meanwhile counts for both; A over A says how
much of a difference is mere chance. All on one core where there is a way to stay on it, since those
of a virtual machine differ by a tenth: what the server does beside the engine then counts in full.
So torch has one thread. Ends with 1 if more than a hundredth is added.

python -m tests.benchmarks.server_overhead [--rounds 15] [--seconds 3]
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from sdtui.core.events import Event
from sdtui.core.record import GenerationRecord
from sdtui.core.request import GenerationRequest
from sdtui.engine.engine import Report, StableDiffusionEngine
from sdtui.engine.run import OnImage
from tests.benchmarks.served import Middle, Overheard, as_served_on_one_core
from tests.server.live import live

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
    beside: list[float] = []
    with (
        tempfile.TemporaryDirectory() as name,
        live(Path(name), _Watched.make) as running,
        running.client() as ask,
    ):
        generator: _Watched = running.generators[0]
        values["num_inference_steps"] = _steps_of(generator.engine, values, seconds)
        request = GenerationRequest.parse(values)

        def direct() -> None:
            generator.engine.generate(request)

        def over_http() -> None:
            before = time.perf_counter()
            answer = ask.post("/generate", json=values)
            whole = time.perf_counter() - before
            assert answer.status_code == 200, answer.text
            stages = sum(answer.json()["record"]["timings"].values())
            beside.append(whole - stages + generator.told)

        _taken(direct), _taken(over_http)
        beside.clear()
        rounds: list[list[_Taken]] = []
        for _ in range(number):
            rounds.append([_taken(work) for work in (direct, over_http, over_http, direct)])
            first, once, again, last = (each.wall for each in rounds[-1])
            _say(f"engine {first:.3f} and {last:.3f} s, over HTTP {once:.3f} and {again:.3f} s")
    return _sum_up(rounds, beside)


class _Watched(Overheard):
    """Looks at the clock while events are told and pictures saved, both within the stages."""

    told = 0.0
    """Seconds of the last picture."""

    def between(self, report: Report, on_image: OnImage | None) -> tuple[Report, OnImage | None]:
        """Both, timed."""
        self.told = 0.0

        def told(event: Event) -> None:
            before = time.perf_counter()
            report(event)
            self.told += time.perf_counter() - before

        def saved(index: int, image: Image.Image, record: GenerationRecord) -> None:
            before = time.perf_counter()
            if on_image is not None:
                on_image(index, image, record)
            self.told += time.perf_counter() - before

        return told, saved


class _Taken(NamedTuple):
    """Seconds."""

    wall: float
    cpu: float


def _taken(work: Callable[[], object]) -> _Taken:
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return _Taken(time.perf_counter() - wall, time.process_time() - cpu)


def _sum_up(rounds: Sequence[Sequence[_Taken]], beside: Sequence[float]) -> list[str]:
    """Print what the rounds say; returns what is missed."""
    plain = statistics.median(each.wall for four in rounds for each in (four[0], four[3]))
    _say(f"{len(rounds)} rounds of a picture of {plain:.2f} s; medians, their 95 % intervals")
    parts = Middle.of([each / plain for each in beside])
    _say(
        f"by parts (HTTP, queue, events, PNG, saving, base64): {parts}, "
        f"{statistics.median(beside) * 1000:.1f} ms, at most {max(beside) * 1000:.1f} ms"
    )
    wholes = []
    for clock, name in enumerate(("wall time", "CPU time, the client's with it")):
        columns = [[taken[clock] for taken in four] for four in rounds]
        added = [(once + again) / (first + last) - 1 for first, once, again, last in columns]
        chance = [last / first - 1 for first, _, _, last in columns]
        wholes.append(Middle.of(added))
        _say(f"{name}: {wholes[-1]}; engine over engine {Middle.of(chance)}")
    missed = []
    if parts.median > _MOST_ADDED:
        missed.append(f"added time by parts {parts.median:.2%} > {_MOST_ADDED:.0%}")
    if wholes[0].low > _MOST_ADDED:
        missed.append(f"added time is surely more than {_MOST_ADDED:.0%}")
    return missed


def _steps_of(engine: StableDiffusionEngine, values: Mapping[str, Any], seconds: float) -> int:
    """How many steps take so long."""
    request = GenerationRequest.parse({**values, "num_inference_steps": 20})
    engine.generate(request)
    before = time.perf_counter()
    engine.generate(request)
    return min(150, max(1, round(20 * seconds / (time.perf_counter() - before))))


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
