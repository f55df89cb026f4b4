"""How the server does: what it adds to the engine's time, how quickly it answers while a picture is
made, and two hundred clients at once.

python -m tests.benchmarks.server overhead [--pairs 7] [--steps 60]
python -m tests.benchmarks.server latency [--seconds 20]
python -m tests.benchmarks.server crowd [--seconds 120] [--clients 200]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

from sdtui.core.request import GenerationRequest
from sdtui.engine.quiet import quiet_libraries
from tests.server.live import live


def main() -> None:
    """Run one of the measurements."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("overhead", "latency", "crowd"))
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--clients", type=int, default=200)
    options = parser.parse_args()
    if options.what == "overhead":
        _overhead(options.pairs, options.steps)
    elif options.what == "latency":
        _latency(options.seconds or 20)
    else:
        asyncio.run(_crowd(options.seconds or 120, options.clients))


def _overhead(pairs: int, steps: int) -> None:
    """The engine called directly, and over HTTP in the same process, in turn."""
    quiet_libraries()
    values: dict[str, Any] = {
        "prompt": "a red apple",
        "seed": 1,
        "num_inference_steps": steps,
        "width": 128,
        "height": 128,
    }
    with tempfile.TemporaryDirectory() as name, live(Path(name)) as running:
        engine = running.generators[0].engine
        request = GenerationRequest.parse(values)
        with running.client() as ask:

            def direct() -> float:
                before = time.perf_counter()
                engine.generate(request)
                return time.perf_counter() - before

            def over_http() -> tuple[float, float]:
                before = time.perf_counter()
                answer = ask.post("/generate", json=values)
                assert answer.status_code == 200, answer.text
                whole = time.perf_counter() - before
                return whole, whole - sum(answer.json()["record"]["timings"].values())

            direct(), over_http()
            rows = [(direct(), *over_http()) for _ in range(pairs)]
    plain = statistics.median(row[0] for row in rows)
    whole = statistics.median(row[1] for row in rows)
    around = statistics.median(row[2] for row in rows)
    _say(
        f"engine alone {plain:.3f} s; over HTTP {whole:.3f} s ({(whole / plain - 1) * 100:+.2f} %)"
    )
    _say(
        f"of it outside the engine's stages {around * 1000:.1f} ms "
        f"({around / plain * 100:.2f} %): HTTP, queue, PNG, saving, base64"
    )


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
        while httpx.get(f"{url}/readyz").status_code != 200:
            time.sleep(0.2)
        try:
            yield _Served(url, psutil.Process(process.pid))
        finally:
            process.terminate()
            assert process.wait(60) == 0


def _latency(seconds: float) -> None:
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
        for path, taken in times.items():
            cut = statistics.quantiles(taken, n=100)
            _say(
                f"{path:9} {len(taken)} times: p50 {cut[49] * 1000:.1f} ms, "
                f"p99 {cut[98] * 1000:.1f} ms, longest {max(taken) * 1000:.1f} ms"
            )


async def _crowd(seconds: float, clients: int) -> None:
    """Clients that ask without end; every tenth of them goes away before the answer."""
    ends: Counter[str] = Counter()
    waits: list[float] = []
    with _served("--queue", "16") as served:
        end = time.monotonic() + seconds
        body = {"prompt": "a red apple", "num_inference_steps": 2, "width": 64, "height": 64}

        async def client(number: int) -> None:
            limits = httpx.Limits(max_connections=1)
            async with httpx.AsyncClient(base_url=served.url, timeout=60, limits=limits) as ask:
                while time.monotonic() < end:
                    leaves = number % 10 == 0
                    timeout = random.uniform(0.05, 1.0) if leaves else 60
                    before = time.monotonic()
                    try:
                        answer = await ask.post("/generate", json=body, timeout=timeout)
                        ends[str(answer.status_code)] += 1
                        waits.append(time.monotonic() - before)
                        if answer.status_code == 429:
                            await asyncio.sleep(random.uniform(0.5, 1.5))
                    except httpx.TimeoutException:
                        ends["left" if leaves else "HUNG"] += 1
                    except httpx.TransportError as error:
                        ends[type(error).__name__] += 1

        async def watch() -> None:
            began = time.monotonic()
            while time.monotonic() < end:
                await asyncio.sleep(seconds / 8)
                resident = served.process.memory_info().rss / 2**20
                files = served.process.num_fds()
                _say(f"{time.monotonic() - began:5.0f} s  {resident:6.0f} MiB  {files} files")

        await asyncio.gather(watch(), *(client(number) for number in range(clients)))
        with httpx.Client(base_url=served.url) as ask:
            while json.loads(ask.get("/health").text)["running"]:
                time.sleep(0.1)
            jobs = [
                line for line in ask.get("/metrics").text.splitlines() if "sdtui_jobs_total" in line
            ]
    _say(f"ends: {dict(ends)}; longest wait {max(waits):.1f} s")
    _say("; ".join(jobs))


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
