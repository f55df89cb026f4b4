"""Several workers on one machine, each a process with one thread: how much faster two are than
one, and what is left of forty pictures when workers are killed.

    python -m tests.benchmarks.workers speed
    python -m tests.benchmarks.workers kills [--seed 7] [--cluster]

The bars: on two cores two workers make 1.9 times as many pictures as one; with five SIGKILLs at
random times all of forty pictures are there, none twice, and their pixels are those of a run that
nobody disturbed. A job that has lost one worker isn't hit again, since it would fail on purpose.
With --cluster the workers are on two machines that have joined by Ray, both on this one.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from PIL import Image

from sdtui.core.enums import JobState
from sdtui.core.settings import Settings
from sdtui.history import History, read_record, sidecar_path
from sdtui.jobs import Job
from sdtui.jobs.generator import make_generator
from sdtui.jobs.queue import JobQueue
from sdtui.jobs.workers.child import ChildOptions
from sdtui.jobs.workers.process import ProcessWorker
from sdtui.jobs.workers.worker import WorkerSlot
from sdtui.requests.request import GenerationRequest
from tests.support.cluster import Cluster

_JOBS, _PICTURES, _KILLS = 20, 2, 5
_SIZE, _STEPS = 128, 20


ProcessOf = Callable[[str], int | None]
"""Returns the process of a worker by its name; None if it has none."""


@contextmanager
def _workers(folder: Path, count: int) -> Iterator[tuple[JobQueue, ProcessOf]]:
    """A queue with so many workers, all of which have the model in memory."""
    settings = Settings(device="cpu", pictures=folder)
    options = ChildOptions(settings, {"OMP_NUM_THREADS": "1"}, make_generator)
    names = [f"cpu {number}" for number in range(count)]
    workers = {name: ProcessWorker(name, options) for name in names}
    slots = [WorkerSlot(name, worker) for name, worker in workers.items()]
    history = History(folder, folder / "index.db")
    queue = JobQueue(settings, history, slots=slots)
    _warm(queue, count)
    try:
        yield queue, lambda name: workers[name].process_id
    finally:
        queue.close(20)
        history.close()


@contextmanager
def _machines(folder: Path, count: int) -> Iterator[tuple[JobQueue, ProcessOf]]:
    """The same with a worker with one core on each of so many machines of a cluster."""
    folder.mkdir()
    cluster = Cluster(folder)
    try:
        for core in range(count):
            cluster.join(prefix=["taskset", "-c", str(core)])
        _warm(cluster.backend.jobs, count)

        def process_of(name: str) -> int | None:
            found = cluster.processes(name, "ray::Actor")
            return found[0].pid if found else None

        yield cluster.backend.jobs, process_of
    finally:
        cluster.close()


def _warm(queue: JobQueue, count: int) -> None:
    _wait(queue, [_submit(queue, 1000 + number, 1) for number in range(count)])


def _submit(queue: JobQueue, seed: int, pictures: int = _PICTURES) -> Job:
    return queue.submit(
        GenerationRequest(
            prompt="a tiger on a blue background",
            seed=seed,
            num_images_per_prompt=pictures,
            num_inference_steps=_STEPS,
            width=_SIZE,
            height=_SIZE,
        )
    )


def _wait(queue: JobQueue, jobs: list[Job]) -> list[Job]:
    return [queue.wait(job.id, 600) for job in jobs]


def _pictures(jobs: list[Job]) -> dict[int, list[str]]:
    """Return hashes of the pixels of each picture on disk, by its seed."""
    found: dict[int, list[str]] = {}
    for job in jobs:
        for path in job.pictures:
            seed = read_record(sidecar_path(Path(path))).seed
            with Image.open(path) as image:
                digest = hashlib.sha256(image.convert("RGB").tobytes()).hexdigest()
            found.setdefault(seed or 0, []).append(digest)
    return found


def _speed() -> None:
    seconds = {}
    for count in (1, 2):
        with tempfile.TemporaryDirectory() as folder, _workers(Path(folder), count) as (queue, _):
            began = time.perf_counter()
            jobs = [_submit(queue, 10 * number) for number in range(8)]
            _wait(queue, jobs)
            seconds[count] = time.perf_counter() - began
            click.echo(f"{count} workers: {2 * 8 / seconds[count]:.2f} pictures a second")
    click.echo(f"two over one: {seconds[1] / seconds[2]:.2f}, bar 1.9")


def _kill_some(
    queue: JobQueue, process_of: ProcessOf, jobs: list[Job], chance: random.Random
) -> int:
    """Kill workers at random times while the jobs run; return how many were killed."""
    killed = 0
    while killed < _KILLS and not all(queue.job(job.id).state.is_over for job in jobs):
        time.sleep(chance.uniform(0.3, 2.0))
        running = [
            (name, job_id)
            for name, job_id in queue.running().items()
            if queue.job(job_id).losses == 0 and queue.job(job_id).seed is not None
        ]
        if not running:
            continue
        name, _ = chance.choice(running)
        process = process_of(name)
        if process is not None:
            os.kill(process, signal.SIGKILL)
            killed += 1
            time.sleep(0.3)
    return killed


def _kills(seed: int, *, on_cluster: bool) -> bool:
    chance = random.Random(seed)
    open_ = _machines if on_cluster else _workers
    with tempfile.TemporaryDirectory() as folder:
        calm_folder, killed_folder = Path(folder) / "calm", Path(folder) / "killed"
        with open_(calm_folder, 2) as (queue, _):
            calm = _pictures(_wait(queue, [_submit(queue, 10 * n) for n in range(_JOBS)]))
        with open_(killed_folder, 2) as (queue, process_of):
            before = len([*killed_folder.rglob("*.png")])
            began = time.perf_counter()
            jobs = [_submit(queue, 10 * number) for number in range(_JOBS)]
            killed = _kill_some(queue, process_of, jobs, chance)
            ended = _wait(queue, jobs)
            seconds = time.perf_counter() - began
            made = _pictures(ended)
            on_disk = len([*killed_folder.rglob("*.png")]) - before
    done = sum(job.state is JobState.DONE for job in ended)
    twice = sum(len(each) > 1 for each in made.values())
    equal = sum(calm[seed] == each for seed, each in made.items())
    click.echo(
        f"{killed} workers killed in {seconds:.0f} s: {done} of {_JOBS} jobs done, {len(made)} of "
        f"{len(calm)} pictures, {on_disk} files, {twice} twice, {equal} equal to the calm run"
    )
    return len(made) == len(calm) == on_disk == equal and twice == 0


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["speed", "kills"])
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--cluster", action="store_true")
    options = parser.parse_args()
    if options.what == "speed":
        _speed()
    elif not _kills(options.seed, on_cluster=options.cluster):
        sys.exit(1)


if __name__ == "__main__":
    main()
