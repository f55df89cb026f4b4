"""The app attached to a server: over a slow line, through cuts and restarts, and from its start.

    python -m tests.benchmarks.attached [line] [keys] [cuts] [start]

Runs all parts or those named, and prints a table. The line has a round trip of 300 ms and 1 Mbit/s;
the server has a scripted GPU of ten steps a second with noise as previews.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

from sdtui.core.settings import Settings
from sdtui.jobs import Backend, JobState
from sdtui.jobs.backends.local import LocalBackend
from sdtui.jobs.backends.remote.backend import RemoteBackend
from sdtui.jobs.backends.remote.where import HttpServer
from sdtui.requests.events import JobEvent
from sdtui.requests.request import GenerationRequest
from tests.benchmarks.slow_line import Gpu
from tests.support.lines import Line
from tests.support.terminal import Terminal

_ONE_WAY_MS, _KBIT = 150, 1000
_STEP_SECONDS = 0.1
_BARE = ("-c", "from textual.app import App\nApp(watch_css=False).run()")
_PARTS = (b"Prompt", b"Gallery", b"Recipe", b"Queue", b"Info", b"Log", b"Keys")
Row = tuple[str, str, str]


@contextmanager
def serving(
    folder: Path, port: int, step: float = _STEP_SECONDS
) -> Iterator[subprocess.Popen[str]]:
    """Run a server, and the line before it on the next port."""
    arguments = (str(folder), str(port), str(step), str(_ONE_WAY_MS), str(_KBIT))
    command = [sys.executable, "-m", "tests.benchmarks.slow_line", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        try:
            yield process
        finally:
            process.kill()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port if port < 65_000 else _free_port()


def _request(prompt: str = "a cat", steps: int = 150) -> GenerationRequest:
    return GenerationRequest.parse({"prompt": prompt, "num_inference_steps": steps, "seed": 1})


def _until(holds: Callable[[], object], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.002)


@contextmanager
def _attached(port: int) -> Iterator[RemoteBackend]:
    backend = RemoteBackend(HttpServer("127.0.0.1", port), cache_folder=Path(tempfile.mkdtemp()))
    backend.start()
    backend.wait_until_connected(30)
    yield backend
    backend.close()


def line(seconds: float = 8.0, times: int = 5) -> list[Row]:
    """What goes over the line while a picture is made, and how soon a cancelled job is seen."""
    folder, port = Path(tempfile.mkdtemp()), _free_port()
    late: list[float] = []
    cancelled: list[float] = []
    with serving(folder, port), _attached(port + 1) as backend:
        ended = threading.Event()

        def put(envelope: JobEvent) -> None:
            if envelope.event.kind == "preview":
                late.append(time.time() - envelope.time)
            elif envelope.event.kind == "cancelled":
                ended.set()

        backend.jobs.subscribe(put)
        for number in range(times):
            ended.clear()
            job = backend.jobs.submit(_request())
            _until(lambda job=job: job.id in backend.jobs.running().values())  # type: ignore[misc]
            time.sleep(1.5)
            if number == 0:
                before = int((folder / "bytes").read_text())
                time.sleep(seconds)
                rate = (int((folder / "bytes").read_text()) - before) / seconds
            at = time.monotonic()
            backend.jobs.cancel(job.id)
            assert ended.wait(30)
            cancelled.append(time.monotonic() - at)
    return [
        ("bytes a second while a picture is made", f"{rate / 1000:.1f} kB", "40 kB"),
        ("a preview is late by, p50", f"{statistics.median(late) * 1000:.0f} ms", ""),
        ("cancel seen, worst", f"{max(cancelled) * 1000:.0f} ms", "600 ms"),
    ]


def keys() -> list[Row]:
    """How long keys of the attached app hold its loop, in turn with those of an app whose queue is
    in its process, and the requests on its thread."""
    local = _local_stalls()
    folder, port = Path(tempfile.mkdtemp()), _free_port()
    with serving(folder, port), _attached(port + 1) as backend:
        waits = _waits_on_this_thread(backend)
        stalls = asyncio.run(_press_keys(backend))
    return [
        ("requests that the loop waited for", f"{len(waits)}", "0"),
        *(
            (
                f"stall after {name} (of a local queue)",
                f"{seconds * 1000:.0f} ({local[name] * 1000:.0f}) ms",
                "20 ms",
            )
            for name, seconds in stalls.items()
        ),
    ]


def _local_stalls() -> dict[str, float]:
    folder = Path(tempfile.mkdtemp())
    backend = LocalBackend(
        Settings(pictures=folder / "pictures", device="cpu"),
        queue_folder=folder,
        index_file=folder / "index.db",
        make_generator=lambda _: Gpu(_STEP_SECONDS),
    )
    stalls = asyncio.run(_press_keys(backend))
    backend.close()
    return stalls


def _waits_on_this_thread(backend: RemoteBackend) -> list[str]:
    """Note the requests that this thread makes from now on."""
    waits: list[str] = []
    send: Any = backend._requests.send
    own = threading.get_ident()

    def note(method: str, path: str, *args: Any, **kwargs: Any) -> Any:
        if threading.get_ident() == own:
            waits.append(path)
        return send(method, path, *args, **kwargs)

    backend._requests.send = note  # type: ignore[method-assign]
    return waits


async def _press_keys(backend: Backend) -> dict[str, float]:
    """Return the longest stall of the loop after each key, the median of three."""
    from sdtui.tui.app import SdtuiApp

    app = SdtuiApp(Settings(device="cpu"), lambda: backend)
    stalls: dict[str, list[float]] = {}
    latest: list[float] = []

    async def beat() -> None:
        while True:
            before = time.perf_counter()
            await asyncio.sleep(0.002)
            latest.append(time.perf_counter() - before - 0.002)

    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.pause(4)
        beating = asyncio.ensure_future(beat())

        async def press(name: str, key: str, seconds: float = 0.5) -> None:
            latest.clear()
            await pilot.press(key)
            await asyncio.sleep(seconds)
            stalls.setdefault(name, []).append(max(latest))

        for _ in range(3):
            await press("nothing", "shift+f12")
            for letter in "a cat":
                await press("a letter", "space" if letter == " " else letter, 0.1)
            await press("generate", "enter", 2.0)
            await press("a letter while a picture is made", "x", 0.3)
            await press("generate more", "enter", 1.0)
            await press("pause or go on", "f5", 0.5)
            app.main.queue.stop_current(after_picture=False)
            latest.clear()
            app.main.queue.stop_current(after_picture=False)
            await asyncio.sleep(0.5)
            stalls.setdefault("cancel", []).append(max(latest))
        beating.cancel()
    return {name: statistics.median(each) for name, each in stalls.items()}


def _finished(events: list[JobEvent]) -> int:
    return sum(each.event.kind == "finished" for each in list(events))


def cuts(jobs: int = 10, times: int = 20) -> list[Row]:
    """Cut the line at random during some jobs, and start the server again twice: after its end, and
    after it was killed."""
    folder, port = Path(tempfile.mkdtemp()), _free_port()
    draw = random.Random(1)
    events: list[JobEvent] = []
    where = Line(port)

    def cut() -> None:
        _until(lambda: backend.connection.status.is_connected)
        time.sleep(draw.uniform(0.0, 0.3))
        where.cut()
        _until(lambda: not backend.connection.status.is_connected)

    with serving(folder, port, 0.02) as first:
        backend = RemoteBackend(where, cache_folder=Path(tempfile.mkdtemp()))
        backend.start()
        backend.wait_until_connected(30)
        backend.jobs.subscribe(events.append)
        ids = [backend.jobs.submit(_request(f"cat {n}", steps=40)).id for n in range(jobs // 2)]
        for _ in range(times // 2):
            cut()
            if len(ids) < jobs:
                ids.append(backend.jobs.submit(_request(f"cat {len(ids)}", steps=40)).id)
        first.send_signal(signal.SIGINT)
        first.wait()
    for number in range(2):
        with serving(folder, port, 0.02) as again:
            for _ in range(times // 4):
                cut()
            if number == 1:
                over = [backend.jobs.wait(job, 120) for job in ids]
                _until(lambda: _finished(events) == jobs)
                saved = backend.pictures.stats().pictures
            again.kill()
            again.wait()
    backend.close()
    kinds = Counter(
        (each.job, each.event.kind) for each in events if each.event.kind in ("saved", "finished")
    )
    done = sum(job.state is JobState.DONE and len(job.pictures) == 1 for job in over)
    once = sum(kinds[job, kind] == 1 for job in ids for kind in ("saved", "finished"))
    return [
        (f"jobs done, of {jobs}, {times} cuts, two restarts", f"{done}", f"{jobs}"),
        ("pictures in the history", f"{saved}", f"{jobs}"),
        ("saved and finished, told once", f"{once}", f"{2 * jobs}"),
    ]


def start(times: int = 7) -> list[Row]:
    """Starts of the attached app, in turn with an empty Textual app, and its memory."""
    folder, port = Path(tempfile.mkdtemp()), _free_port()
    ours: list[float] = []
    bare: list[float] = []
    with serving(folder, port):
        command = ("-m", "sdtui", "--connect", f"http://127.0.0.1:{port}")
        for _ in range(times):
            ours.append(_start(command, lambda each: all(part in each.sent for part in _PARTS)))
            bare.append(_start(_BARE, lambda each: each.bytes > 500))
        terminal = Terminal(command, Path(tempfile.mkdtemp()))
        terminal.until("pocket", 60)
        terminal.send("a cat\x07")
        terminal.watch(6)
        memory = psutil.Process(terminal.process.pid).memory_info().rss
        terminal.kill()
    return [
        ("start to the first whole frame", f"{statistics.median(ours):.2f} s", "0.45 s"),
        ("  an empty Textual app", f"{statistics.median(bare):.2f} s", "0.20 s"),
        ("resident memory while a picture is made", f"{memory / 2**20:.0f} MiB", "90 MB"),
    ]


def _start(arguments: tuple[str, ...], is_there: Callable[[Terminal], bool]) -> float:
    terminal = Terminal(arguments, Path(tempfile.mkdtemp()))
    try:
        while not is_there(terminal):
            terminal.read(0.005)
        return time.monotonic() - terminal.started
    finally:
        terminal.kill()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("parts", nargs="*", metavar="PART")
    parts: dict[str, Callable[[], list[Row]]] = {
        "line": line,
        "keys": keys,
        "cuts": cuts,
        "start": start,
    }
    with suppress(KeyboardInterrupt):
        for name in parser.parse_args().parts or parts:
            for what, measured, bar in parts[name]():
                sys.stdout.write(f"{what:<48}{measured:>10}{bar:>10}\n")
                sys.stdout.flush()


if __name__ == "__main__":
    main()
