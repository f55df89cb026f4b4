"""How the server does: what it adds to the engine's time, how quickly it answers while a picture is
made, and two hundred clients at once. Each ends with 1 if its bar is missed.

python -m tests.benchmarks.server overhead [--rounds 15] [--seconds 3] [--threads 1]
python -m tests.benchmarks.server latency [--seconds 20]
python -m tests.benchmarks.server crowd [--seconds 120] [--clients 200]
"""

from __future__ import annotations

import argparse
import asyncio
import math
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import psutil
import torch

from sdtui.core.request import GenerationRequest
from sdtui.engine.engine import StableDiffusionEngine
from sdtui.engine.quiet import quiet_libraries
from sdtui.server.run import TURN
from tests.server.live import live

_MOST_ADDED = 0.01
"""Of the engine's own time."""
_LONGEST = 0.050
"""Seconds of /health and /metrics, p99."""
_PATIENCE = 600.0
"""Seconds after which a request of the crowd counts as hung, on however busy a machine."""
_MOST_GROWTH = 1.05
"""Resident memory at the end, of that after an eighth of the time."""


def main() -> None:
    """Run one of the measurements; ends with 1 if its bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("overhead", "latency", "crowd"))
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--clients", type=int, default=200)
    options = parser.parse_args()
    if options.what == "overhead":
        missed = _overhead(options.rounds, options.seconds or 3, options.threads)
    elif options.what == "latency":
        missed = _latency(options.seconds or 20)
    else:
        missed = asyncio.run(_crowd(options.seconds or 120, options.clients))
    for line in missed:
        _say(f"MISSED: {line}")
    sys.exit(1 if missed else 0)


def _overhead(number: int, seconds: float, threads: int) -> list[str]:
    """The engine called directly (A) and over HTTP in the same process (B), for a picture of so
    many seconds: A B B A in each round, so that what makes a machine slower or quicker meanwhile
    counts for both. A over A says how much of a difference is mere chance. With one thread:
    torch's own wait for each other on few cores, and the times spread by a tenth."""
    quiet_libraries()
    os.environ["OMP_NUM_THREADS"] = str(threads)  # or the engine would choose by itself
    torch.set_num_threads(threads)
    sys.setswitchinterval(TURN)  # as `sdtui serve` does
    values: dict[str, Any] = {"prompt": "a red apple", "seed": 1, "width": 128, "height": 128}
    with (
        tempfile.TemporaryDirectory() as name,
        live(Path(name)) as running,
        running.client() as ask,
    ):
        engine = running.generators[0].engine
        values["num_inference_steps"] = _steps_of(engine, values, seconds)
        request = GenerationRequest.parse(values)
        inside: list[float] = []

        def direct() -> None:
            engine.generate(request)

        def over_http() -> None:
            answer = ask.post("/generate", json=values)
            assert answer.status_code == 200, answer.text
            inside.append(sum(answer.json()["record"]["timings"].values()))

        _taken(direct), _taken(over_http)
        inside.clear()
        rounds: list[list[_Taken]] = []
        for _ in range(number):
            rounds.append([_taken(work) for work in (direct, over_http, over_http, direct)])
            first, once, again, last = (each.wall for each in rounds[-1])
            _say(f"engine {first:.3f} and {last:.3f} s, over HTTP {once:.3f} and {again:.3f} s")
    added = _sum_up(rounds, inside)
    return [] if added <= _MOST_ADDED else [f"added time {added:.2%} > {_MOST_ADDED:.0%}"]


class _Taken(NamedTuple):
    """Seconds."""

    wall: float
    cpu: float


def _taken(work: Callable[[], object]) -> _Taken:
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return _Taken(time.perf_counter() - wall, time.process_time() - cpu)


def _sum_up(rounds: Sequence[Sequence[_Taken]], inside: Sequence[float]) -> float:
    """Print what the rounds say; returns the added share of wall time. `inside` = the seconds of
    the engine's stages in every picture over HTTP."""
    plain = statistics.median(each.wall for four in rounds for each in (four[0], four[3]))
    served = [each.wall for four in rounds for each in four[1:3]]
    around = statistics.median(wall - stages for wall, stages in zip(served, inside, strict=True))
    _say(f"{len(rounds)} rounds of a picture of {plain:.2f} s; medians, their 95 % intervals")
    medians = []
    for clock, name in enumerate(("wall time", "CPU time, the client's with it")):
        columns = [[taken[clock] for taken in four] for four in rounds]
        added = [(once + again) / (first + last) - 1 for first, once, again, last in columns]
        chance = [last / first - 1 for first, _, _, last in columns]
        _say(f"{name}: added {_shares(added)}; engine over engine {_shares(chance)}")
        medians.append(statistics.median(added))
    _say(
        f"outside the engine's stages: {around * 1000:.1f} ms ({around / plain:.2%}), for HTTP, "
        "queue, PNG, saving and base64"
    )
    return medians[0]


def _shares(values: Sequence[float]) -> str:
    """The median, and where it lies with 95 % confidence (by ranks, as of the sign test)."""
    ordered = sorted(values)
    rank = max(0, math.floor(len(ordered) / 2 - 0.98 * math.sqrt(len(ordered))))
    low, high = ordered[rank], ordered[-1 - rank]
    return f"{statistics.median(ordered):+.2%} ({low:+.2%} to {high:+.2%})"


def _steps_of(engine: StableDiffusionEngine, values: Mapping[str, Any], seconds: float) -> int:
    """How many steps take so long."""
    request = GenerationRequest.parse({**values, "num_inference_steps": 20})
    engine.generate(request)
    before = time.perf_counter()
    engine.generate(request)
    return min(150, max(1, round(20 * seconds / (time.perf_counter() - before))))


@dataclass
class _Served:
    url: str
    process: psutil.Process


@contextmanager
def _served(*arguments: str) -> Iterator[_Served]:
    """The command in a process of its own, with folders of its own."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "SDTUI_PICTURES": f"{folder}/pictures"}
        environment |= {"XDG_STATE_HOME": f"{folder}/state", "XDG_CONFIG_HOME": f"{folder}/config"}
        process = subprocess.Popen(
            [sys.executable, "-m", "sdtui", "serve", "--port", "0", *arguments],
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        assert process.stderr is not None
        url = process.stderr.readline().split()[-1]
        while httpx.get(f"{url}/readyz", timeout=_PATIENCE).status_code != 200:
            time.sleep(0.2)
        try:
            yield _Served(url, psutil.Process(process.pid))
        finally:
            process.terminate()
            assert process.wait(60) == 0


def _latency(seconds: float) -> list[str]:
    """/health and /metrics while pictures are made one after the other."""
    with _served() as served, httpx.Client(base_url=served.url, timeout=30) as ask:
        body = {"prompt": "a red apple", "num_inference_steps": 150, "width": 256, "height": 256}
        for _ in range(10):
            ask.post("/jobs", json=body)
        times: dict[str, list[float]] = {"/health": [], "/metrics": []}
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for path, taken in times.items():
                before = time.perf_counter()
                assert ask.get(path).status_code == 200
                taken.append(time.perf_counter() - before)
            time.sleep(0.02)
        assert ask.get("/health").json()["running"], "the pictures were done too early"
        for job in ask.get("/jobs").json():
            ask.delete(job["url"])
    missed = []
    for path, taken in times.items():
        cut = statistics.quantiles(taken, n=100)
        _say(
            f"{path:9} {len(taken)} times: p50 {cut[49] * 1000:.1f} ms, "
            f"p99 {cut[98] * 1000:.1f} ms, longest {max(taken) * 1000:.1f} ms"
        )
        if cut[98] > _LONGEST:
            missed.append(f"{path}: p99 {cut[98] * 1000:.1f} ms > {_LONGEST * 1000:.0f} ms")
    return missed


async def _crowd(seconds: float, clients: int) -> list[str]:
    """Clients that ask without end; every tenth of them goes away before the answer."""
    ends: Counter[str] = Counter()
    waits: list[float] = []
    resident: list[float] = []
    with _served("--queue", "16") as served:
        end = time.monotonic() + seconds
        body = {"prompt": "a red apple", "num_inference_steps": 2, "width": 64, "height": 64}

        async def client(number: int) -> None:
            limits = httpx.Limits(max_connections=1)
            leaves = number % 10 == 0
            async with httpx.AsyncClient(base_url=served.url, verify=False, limits=limits) as ask:
                while time.monotonic() < end:
                    timeout = random.uniform(0.05, 1.0) if leaves else _PATIENCE
                    before = time.monotonic()
                    ends["asked"] += 1
                    try:
                        answer = await ask.post("/generate", json=body, timeout=timeout)
                        ends[str(answer.status_code)] += 1
                        waits.append(time.monotonic() - before)
                        if answer.status_code == 429:
                            await asyncio.sleep(random.uniform(0.5, 1.5))
                    except httpx.TimeoutException:
                        ends["left" if leaves else "hung"] += 1
                    except httpx.TransportError as error:
                        ends[type(error).__name__] += 1

        async def watch() -> None:
            began = time.monotonic()
            while time.monotonic() < end:
                await asyncio.sleep(seconds / 8)
                resident.append(served.process.memory_info().rss / 2**20)
                files = served.process.num_fds()
                _say(f"{time.monotonic() - began:5.0f} s  {resident[-1]:6.0f} MiB  {files} files")

        await asyncio.gather(watch(), *(client(number) for number in range(clients)))
        jobs = _jobs_when_idle(served.url)
    _say(f"requests: {dict(ends)}; longest wait {max(waits):.1f} s; jobs: {jobs}")
    growth = resident[-1] / resident[0]
    _say(f"resident memory: {growth:.3f} of that after an eighth of the time")
    proper = ends["200"] + ends["429"] + ends["left"]
    rules = {
        f"{ends['asked'] - proper} requests ended otherwise": ends["asked"] == proper,
        "no picture was made": ends["200"] > 0,
        "nobody was told that the queue is full": ends["429"] > 0,
        f"{jobs['failed']} jobs failed": not jobs["failed"],
        "finished jobs were not answered": ends["200"]
        <= jobs["finished"]
        <= ends["200"] + ends["left"],
        f"memory grew to {growth:.3f}": growth <= _MOST_GROWTH,
    }
    return [said for said, holds in rules.items() if not holds]


def _jobs_when_idle(url: str) -> Counter[str]:
    """How many jobs ended in each way, once nothing runs or waits any more."""
    with httpx.Client(base_url=url, timeout=_PATIENCE) as ask:
        while (health := ask.get("/health").json())["running"] or health["queue_length"]:
            time.sleep(0.1)
        found = re.findall(r'sdtui_jobs_total{state="(\w+)"} (\d+)', ask.get("/metrics").text)
    return Counter({state: int(count) for state, count in found})


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
