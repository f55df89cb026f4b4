"""How quick the queue is with many waiting jobs.

    python -m tests.benchmarks.queue_size [--jobs 10000]

The bars, with 10,000 jobs: 0.1 ms to submit one, 20 ms for a change on disk, 5 ms for a page of the
listing.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import click

from sdtui.core.settings import Settings
from sdtui.jobs.eta import TimeEstimator
from sdtui.jobs.queue import JobQueue
from sdtui.jobs.queue_file import QueueFile
from sdtui.requests.record import GenerationRecord, Stage
from sdtui.requests.request import GenerationRequest
from tests.support.picture_store import PictureStore
from tests.support.records import record

_PROMPT = "a tiger on a blue background, highly detailed, oil painting by an old master"


def _report(what: str, times: list[float], bar: float | None = None) -> None:
    """Print a median and the slowest of some times; the bar is in milliseconds."""
    median, most = (1000 * each for each in (statistics.median(times), max(times)))
    limit = "" if bar is None else f"  bar {bar:g}: {'met' if median <= bar else 'MISSED'}"
    click.echo(f"{what:44} {median:9.3f} ms  slowest {most:9.3f}{limit}")


def _timed(action: Callable[[], object], count: int) -> list[float]:
    times = []
    for _ in range(count):
        began = time.perf_counter()
        action()
        times.append(time.perf_counter() - began)
    return times


def _changes(queue: JobQueue, file: QueueFile) -> None:
    """Time what changes the queue, with the change on disk."""

    def waiting(place: int) -> str:
        return [job.id for job in queue.jobs() if not job.state.is_over][place]

    changes: list[tuple[str, Callable[[], object]]] = [
        ("submit", lambda: queue.submit(_request())),
        ("submit at the front", lambda: queue.submit(_request(), front=True)),
        ("move the last to the front", lambda: queue.move(waiting(-1), 0)),
        ("cancel the last", lambda: queue.cancel(waiting(-1))),
        ("cancel the first", lambda: queue.cancel(waiting(0))),
    ]
    for what, change in changes:
        on_disk = []
        for _ in range(60):
            change()
            on_disk += _timed(lambda: file.save(queue.jobs()), 1)
        _report(f"on disk: {what}", on_disk, 20)


def _request() -> GenerationRequest:
    return GenerationRequest(prompt=_PROMPT, model="pocket", width=512, height=512)


def _measured(request: GenerationRequest) -> GenerationRecord:
    """Return the record of a run of a request."""
    made = record(model=request.model, width=512, height=512)
    return made.model_copy(update={"request": request, "timings": {Stage.DENOISE: 4.0}})


def main() -> None:
    """Print the times."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=10_000)
    count = parser.parse_args().jobs
    folder = Path(tempfile.mkdtemp(prefix="queue-size-"))
    queue = JobQueue(Settings(device="cpu", pictures=folder), PictureStore(), limit=2 * count)
    queue.pause()
    request = _request()
    _report("submit", _timed(lambda: queue.submit(request), count), 0.1)
    _report("list all", _timed(queue.jobs, 50), 5)
    file = QueueFile(folder)
    _report("on disk: all of them", _timed(lambda: file.save(queue.jobs()), 1))
    _changes(queue, file)
    _report("on disk: nothing changed", _timed(lambda: file.save(queue.jobs()), 20), 20)
    size = sum(path.stat().st_size for path in folder.glob("queue-*"))
    click.echo(f"size on disk: {size / 1e6:.1f} MB")
    file.save_final(queue.resumable())
    _report("read back", _timed(QueueFile(folder).orphaned, 1))
    estimator = TimeEstimator()
    estimator.learn(_measured(request))
    _report("estimate all times", _timed(lambda: estimator.remaining_times(queue.jobs(), {}), 20))


if __name__ == "__main__":
    main()
