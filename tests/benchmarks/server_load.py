"""Load a server as operators run it: keys with limits, and nginx in front of it with a prefix.

    python -m tests.benchmarks.server_load crowd [--seconds 120] [--clients 200]
    python -m tests.benchmarks.server_load bodies

`crowd`: clients of every API for a time. Each request must end with the expected status, 429 or the
client's own cancel; no key may exceed its limits; no link may lead outside the prefix; memory and
open files must not grow. `bodies`: sixteen jobs whose bodies are of the largest size wait; the
memory that they take must stay below the limit of the manual. Exits with 1 if something doesn't
hold.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import io
import os
import re
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
from PIL import Image

from tests.benchmarks.load_clients import NATIVE, PATIENCE, Findings, LoadClient
from tests.benchmarks.server_process import ServerProcess, served
from tests.support.nginx import nginx

_KEYS: dict[str, dict[str, object]] = {
    "alice": {"jobs": 4},
    "bob": {"rate": 60},
    "carol": {"jobs": 3, "max_pixels": 64 * 64},
}
"""The limits of each key."""
_ADMIN = "operator"
_MOST_GROWTH = 1.05
"""Maximum ratio of resident memory at the end to that after an eighth of the time."""
_MOST_NEW_FILES = 8
"""Open files at the end besides those before: of libraries, and of the history."""
_BODIES = 16
_MAX_BODY = 32
"""MiB."""
_MOST_FOR_BODIES = (_BODIES + 4) * _MAX_BODY
"""MiB; see "Under load" of the manual."""
_MOST_WHILE_WAITING = 128
"""MiB more, once all bodies have arrived: pictures are files then."""
_SIDE = 2880
"""Of a picture of noise whose base64 is just below the largest body."""


def main() -> None:
    """Run one of the measurements; exits with 1 if a limit is exceeded."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("crowd", "bodies"))
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--clients", type=int, default=200)
    options = parser.parse_args()
    if options.what == "crowd":
        missed = asyncio.run(_crowd(options.seconds, options.clients))
    else:
        missed = _bodies()
    for line in missed:
        _say(f"MISSED: {line}")
    sys.exit(1 if missed else 0)


def _key_of(name: str) -> str:
    return f"key-of-{name}"


def _headers(name: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {_key_of(name)}"}


def _keys_file(folder: Path) -> Path:
    file = folder / "keys.toml"
    lines = [f'[{_ADMIN}]\nkey = "{_key_of(_ADMIN)}"\nadmin = true']
    for name, limits in _KEYS.items():
        lines += [f'[{name}]\nkey = "{_key_of(name)}"']
        lines += [f"{limit} = {value}" for limit, value in limits.items()]
    file.write_text("\n".join(lines))
    file.chmod(0o600)
    return file


async def _crowd(seconds: float, clients: int) -> list[str]:
    """Run the clients, and watch keys and process meanwhile."""
    findings = Findings()
    with (
        tempfile.TemporaryDirectory() as name,
        served(
            *("--keys-file", str(_keys_file(Path(name))), "--queue", "16"),
            *("--trusted-proxy", "127.0.0.1"),
        ) as server,
        nginx(server.url.removeprefix("http://")) as url,
    ):
        began = time.monotonic()
        end = began + seconds
        files = server.process.num_fds()
        unfinished: Counter[str] = Counter()
        resident: list[float] = []

        async def client(number: int) -> None:
            key = list(_KEYS)[number % len(_KEYS)]
            async with _open(url, key) as http:
                await LoadClient(http, key, findings).run(end)

        async def watch_key(key: str) -> None:
            """Note the largest number of unfinished jobs of a key."""
            async with _open(url, key) as http:
                while time.monotonic() < end:
                    jobs = (await http.get("jobs")).json()
                    count = sum(job["state"] in ("queued", "running") for job in jobs)
                    unfinished[key] = max(unfinished[key], count)
                    await asyncio.sleep(0.5)

        async def watch_process() -> None:
            while time.monotonic() < end:
                await asyncio.sleep(seconds / 8)
                resident.append(server.resident)
                now = time.monotonic() - began
                _say(
                    f"{now:5.0f} s  {resident[-1]:6.0f} MiB  {server.process.num_fds()} open files"
                )

        await asyncio.gather(
            watch_process(), *map(watch_key, _KEYS), *(client(number) for number in range(clients))
        )
        minutes = (time.monotonic() - began) / 60
        jobs = _ends_when_idle(server)
        new_files = server.process.num_fds() - files
    return _judge(findings, unfinished, jobs, minutes, resident, new_files)


def _open(url: str, key: str) -> httpx.AsyncClient:
    limits = httpx.Limits(max_connections=1)
    return httpx.AsyncClient(
        base_url=f"{url}/", headers=_headers(key), limits=limits, timeout=PATIENCE, verify=False
    )


def _ends_when_idle(server: ServerProcess) -> Counter[tuple[str, str]]:
    """Return the number of jobs by key and how they ended, once none runs or waits."""
    with httpx.Client(base_url=server.url, headers=_headers(_ADMIN), timeout=PATIENCE) as ask:
        while (health := ask.get("/health").json())["running"] or health["queue_length"]:
            time.sleep(0.1)
    time.sleep(1)  # connections are closed, and the last lines of the log are written
    return Counter(re.findall(r": job \w+ of (\w+) (\w+)", server.log.read_text()))


def _judge(
    findings: Findings,
    unfinished: Counter[str],
    jobs: Counter[tuple[str, str]],
    minutes: float,
    resident: list[float],
    new_files: int,
) -> list[str]:
    """Print what was found; return what doesn't hold."""
    for (asked, end), count in sorted(findings.ends.items()):
        _say(f"{count:7}  {end:5} {asked}")
    ends = Counter[str]()
    for (_, end), count in findings.ends.items():
        ends[end] += count
    _say(f"{ends.total()} requests: {dict(ends)}; longest {max(findings.waits):.1f} s")
    _say(f"links: {dict(findings.links)}; unfinished jobs at most: {dict(unfinished)}")
    _say(f"jobs: {dict(jobs)}; open files added: {new_files}")
    made = Counter[str]()
    for (key, _), count in jobs.items():
        made[key] += count
    growth = resident[-1] / resident[0]
    _say(f"resident memory: {growth:.3f} of that after an eighth of the time")
    missed = [f"{count} times {text}" for text, count in findings.wrong.most_common(20)]
    for key, limits in _KEYS.items():
        if unfinished[key] > int(str(limits.get("jobs", 16 + 1))):
            missed.append(f"{key} had {unfinished[key]} jobs at once")
    most = 60 * (minutes + 1) + 1
    rules = {
        f"bob had {made['bob']} jobs in {minutes:.2f} minutes": made["bob"] <= most,
        "a key had no picture": all(jobs[key, "finished"] for key in _KEYS),
        "nobody was refused": ends["429"] > 0,
        "jobs failed": not any(end == "failed" for _, end in jobs),
        f"memory grew to {growth:.3f}": growth <= _MOST_GROWTH,
        f"{new_files} files stay open": new_files <= _MOST_NEW_FILES,
    }
    return [*missed, *(said for said, holds in rules.items() if not holds)]


def _bodies() -> list[str]:
    """Let jobs wait that bring a picture each, and send bodies of very many values."""
    buffer = io.BytesIO()
    noise = os.urandom(_SIDE * _SIDE * 3)
    Image.frombytes("RGB", (_SIDE, _SIDE), noise).save(buffer, "PNG", compress_level=0)
    picture = buffer.getvalue()
    encoded = base64.b64encode(picture).decode()
    values = b'{"prompt": "x", "alwayson_scripts": {"a": [[]%s]}}' % (b",[]" * 10_000_000)
    json_type = {"Content-Type": "application/json"}
    requests: dict[str, dict[str, Any]] = {
        "/sdapi/v1/img2img": {"json": {"init_images": [encoded], "steps": 2}},
        "/generate": {"json": {"prompt": "x", "image_to_image": {"image": encoded}}},
        "/v1/images/edits": {"data": {"prompt": "x"}, "files": {"image": ("a.png", picture)}},
        "/models/pocket": {"content": picture, "headers": {"Content-Type": "image/png"}},
        "/sdapi/v1/txt2img": {"content": values, "headers": json_type},
    }
    missed = []
    for path, options in requests.items():
        with served("--queue", str(_BODIES)) as server:
            httpx.post(f"{server.url}/generate", json=NATIVE, timeout=PATIENCE, verify=False)
            before = server.resident
            with _peak_of(server) as peak, _running_job(server):
                statuses, waiting = _send_all(server, path, options)
            most = peak[0] - before
        held = waiting - before
        _say(f"{path}: {most:.0f} MiB more at most, {held:.0f} while jobs wait; {statuses}")
        if most > _MOST_FOR_BODIES:
            missed.append(f"{path}: {most:.0f} MiB > {_MOST_FOR_BODIES} MiB")
        if held > _MOST_WHILE_WAITING:
            missed.append(f"{path}: {held:.0f} MiB while jobs wait")
    return missed


@contextmanager
def _peak_of(server: ServerProcess) -> Iterator[list[float]]:
    """Yield a list whose only value is the largest resident memory so far, in MiB."""
    peak = [server.resident]
    over = threading.Event()

    def sample() -> None:
        while not over.wait(0.01):
            peak[0] = max(peak[0], server.resident)

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield peak
    finally:
        over.set()
        thread.join()


@contextmanager
def _running_job(server: ServerProcess) -> Iterator[None]:
    """Keep the worker busy; at the end all jobs are cancelled."""
    with httpx.Client(base_url=server.url, timeout=PATIENCE) as ask:
        long = {**NATIVE, "num_inference_steps": 150, "num_images_per_prompt": 16}
        assert ask.post("/jobs", json=long).status_code == 202
        try:
            yield
        finally:
            for job in reversed(ask.get("/jobs").json()):
                ask.delete(job["url"])


def _send_all(server: ServerProcess, path: str, options: dict[str, Any]) -> tuple[str, float]:
    """Send the same request many times at once. Returns how many waited, the answers, and
    the resident memory while they waited, in MiB."""
    answers = Counter[int]()

    def send() -> None:
        with suppress(httpx.TransportError):  # refused before it was sent
            answer = httpx.post(f"{server.url}{path}", timeout=PATIENCE, verify=False, **options)
            answers[answer.status_code] += 1

    threads = [threading.Thread(target=send) for _ in range(_BODIES)]
    for thread in threads:
        thread.start()
    waiting = 0
    with httpx.Client(base_url=server.url, timeout=PATIENCE) as ask:
        while waiting < sum(thread.is_alive() for thread in threads):
            time.sleep(0.2)
            waiting = ask.get("/health").json()["queue_length"]
        time.sleep(1)
        resident = server.resident
        for job in ask.get("/jobs").json():
            if job["state"] == "queued":
                ask.delete(job["url"])
    for thread in threads:
        thread.join()
    return f"{waiting} waited; answers: {dict(answers)}", resident


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
