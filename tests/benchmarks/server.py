"""Measure the server's response times while a picture is made, and its behaviour with two hundred
clients. Exits with 1 if a limit is exceeded. For the time added to the engine's see
server_overhead.

    python -m tests.benchmarks.server latency [--seconds 20]
    python -m tests.benchmarks.server crowd [--seconds 120] [--clients 200]
"""

from __future__ import annotations

import argparse
import asyncio
import random
import re
import statistics
import sys
import time
from collections import Counter

import httpx

from tests.benchmarks.server_process import served as serve

_LONGEST = 0.050
"""Maximum seconds of /health and /metrics, p99."""
_PATIENCE = 600.0
"""Seconds after which a request of the crowd counts as hung, even on a busy machine."""
_MOST_GROWTH = 1.05
"""Maximum ratio of resident memory at the end to that after an eighth of the time."""


def main() -> None:
    """Run one of the measurements; exits with 1 if its limit is exceeded."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("latency", "crowd"))
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--clients", type=int, default=200)
    options = parser.parse_args()
    if options.what == "latency":
        missed = _latency(options.seconds or 20)
    else:
        missed = asyncio.run(_crowd(options.seconds or 120, options.clients))
    for line in missed:
        _say(f"MISSED: {line}")
    sys.exit(1 if missed else 0)


def _latency(seconds: float) -> list[str]:
    """Measure /health and /metrics while pictures are made one after the other."""
    with serve() as served, httpx.Client(base_url=served.url, timeout=30) as ask:
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
    """Run clients that send requests in a loop; every tenth one disconnects before the reply."""
    ends: Counter[str] = Counter()
    waits: list[float] = []
    resident: list[float] = []
    with serve("--queue", "16") as served:
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
    """Return the number of jobs in each final state, once none runs or waits."""
    with httpx.Client(base_url=url, timeout=_PATIENCE) as ask:
        while (health := ask.get("/health").json())["running"] or health["queue_length"]:
            time.sleep(0.1)
        found = re.findall(r'sdtui_jobs_total{state="(\w+)"} (\d+)', ask.get("/metrics").text)
    return Counter({state: int(count) for state, count in found})


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
