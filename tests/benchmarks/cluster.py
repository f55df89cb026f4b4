"""What is left of forty pictures over Ray when lines are cut, a machine dies or the head does.

    python -m tests.benchmarks.cluster [short] [cut] [silent] [one-way] [node] [head]

Needs root, iproute2 and the extra `cluster`. Two machines with one core each and the head are
network namespaces, joined by a switch in a fourth. The bars: the jobs of a lost machine go on
elsewhere within 15 s, every picture is saved once, and lost machines join again by themselves.

| | |
|---|---|
| short | a machine's interface is down for 3 s, less than the time after which it counts as lost |
| cut | the same for 25 s |
| silent | the switch passes nothing on for 25 s, and no end sees that |
| one-way | the switch passes nothing to the machine for 25 s, but everything from it |
| node | SIGKILL of all processes of a machine; the command is started again |
| head | SIGKILL of all of Ray's processes at the head |
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import click
import psutil

from sdtui.core.enums import JobState
from sdtui.history import read_record, sidecar_path
from sdtui.requests.events import JobEvent
from sdtui.requests.request import GenerationRequest
from tests.support.cluster import Cluster, processes, until

_HEAD, _SWITCH = "sdtui-head", "sdtui-switch"
_MACHINES = ("sdtui-1", "sdtui-2")
_JOBS, _PICTURES = 20, 2
_STEPS, _SIZE = 36, 192
_SHORT_SECONDS, _CUT_SECONDS = 3.0, 25.0
_BAR_SECONDS = 15.0


def _run(command: str) -> None:
    subprocess.run(command.split(), check=True)


def _make_network() -> None:
    _remove_network()
    for name in (_SWITCH, _HEAD, *_MACHINES):
        _run(f"ip netns add {name}")
        _run(f"ip -n {name} link set lo up")
    _run(f"ip -n {_SWITCH} link add switch type bridge")
    _run(f"ip -n {_SWITCH} link set switch up")
    for number, name in enumerate((_HEAD, *_MACHINES), start=1):
        _run(f"ip -n {_SWITCH} link add port{number} type veth peer name line netns {name}")
        _run(f"ip -n {_SWITCH} link set port{number} master switch up")
        _run(f"ip -n {name} addr add 10.77.0.{number}/24 dev line")
        _run(f"ip -n {name} link set line up")


def _remove_network() -> None:
    for name in (_HEAD, *_MACHINES, _SWITCH):
        subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)


_CUTS = {
    "cut": (f"ip -n {_MACHINES[1]} link set line down", f"ip -n {_MACHINES[1]} link set line up"),
    "silent": (
        f"ip -n {_SWITCH} link set port3 nomaster",
        f"ip -n {_SWITCH} link set port3 master switch",
    ),
    # A bucket of one byte holds no packet.
    "one-way": (
        f"tc -n {_SWITCH} qdisc add dev port3 root tbf rate 1kbit burst 1b latency 1ms",
        f"tc -n {_SWITCH} qdisc del dev port3 root",
    ),
}


@dataclass
class _Run:
    """A cluster that makes forty pictures."""

    cluster: Cluster
    names: list[str]
    """Of the workers."""
    events: list[JobEvent] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    """What was measured."""

    def note(self, what: str, since: float, bar: float | None = None) -> None:
        seconds = time.time() - since
        over = " OVER THE BAR" if bar is not None and seconds > bar else ""
        self.told.append(f"{what} after {seconds:.1f} s{over}")

    def await_elsewhere(self, lost: str, job: str, since: float) -> None:
        """Wait until another worker goes on with a lost one's job."""

        def happened(kind: str, worker: str) -> bool:
            return any(
                each.job == job and each.event.kind == kind and each.worker == worker
                for each in list(self.events)
                if each.time > since
            )

        until(lambda: happened("worker_lost", lost))
        self.note("noticed", since)
        other = next(each for each in self.names if each != lost)
        until(lambda: happened("started", other), 120)
        self.note("goes on elsewhere", since, _BAR_SECONDS)

    def is_there(self, worker: str) -> bool:
        status = {each.name: each for each in self.cluster.backend.jobs.workers}
        return not status[worker].is_away

    def await_working(self, worker: str, since: float) -> None:
        until(lambda: self.is_there(worker), 120)
        self.note("joined again", since)
        began = time.time()
        until(
            lambda: any(
                each.worker == worker and each.event.kind == "saved" and each.time > began
                for each in list(self.events)
            ),
            120,
        )
        self.note("its next picture", since)

    def job_of(self, worker: str) -> str:
        """Return the job of a worker that has saved a picture of it and makes another."""
        running = self.cluster.backend.jobs.running
        jobs = self.cluster.backend.jobs
        until(
            lambda: (
                worker in running() and 0 < len(jobs.job(running()[worker]).pictures) < _PICTURES
            ),
            120,
        )
        time.sleep(0.3)
        return running()[worker]


def _short(run: _Run) -> None:
    lost = run.names[1]
    run.job_of(lost)
    _run(_CUTS["cut"][0])
    time.sleep(_SHORT_SECONDS)
    _run(_CUTS["cut"][1])
    mended = time.time()
    until(lambda: any(e.worker == lost and e.time > mended + 0.1 for e in list(run.events)))
    run.note("first event of the machine, of the mended line,", mended)


def _cut(kind: str) -> Callable[[_Run], None]:
    def scenario(run: _Run) -> None:
        lost = run.names[1]
        job = run.job_of(lost)
        _run(_CUTS[kind][0])
        began = time.time()
        run.await_elsewhere(lost, job, began)
        time.sleep(max(0.0, began + _CUT_SECONDS - time.time()))
        _run(_CUTS[kind][1])
        run.await_working(lost, time.time())

    return scenario


def _node(run: _Run) -> None:
    lost = run.names[1]
    job = run.job_of(lost)
    victims = [psutil.Process(run.cluster.machines[lost].pid), *run.cluster.processes(lost)]
    began = time.time()
    _kill(victims)
    run.await_elsewhere(lost, job, began)
    began = time.time()
    run.cluster.start_again(lost)
    run.await_working(lost, began)


def _head(run: _Run) -> None:
    lost = run.names[1]
    job = run.job_of(lost)
    began = time.time()
    _kill(processes(os.getpid(), "gcs_server") + processes(os.getpid(), "raylet"))
    until(
        lambda: any(
            each.job == job and each.event.kind == "worker_lost" for each in list(run.events)
        )
    )
    run.note("noticed", began)
    until(lambda: not any(map(run.is_there, run.names)))
    until(lambda: all(map(run.is_there, run.names)), 120)
    run.note("all machines joined again", began)


def _kill(victims: list[psutil.Process]) -> None:
    for each in victims:
        with suppress(psutil.NoSuchProcess):
            each.send_signal(signal.SIGKILL)


_SCENARIOS: dict[str, Callable[[_Run], None]] = {
    "short": _short,
    "cut": _cut("cut"),
    "silent": _cut("silent"),
    "one-way": _cut("one-way"),
    "node": _node,
    "head": _head,
}


def _measure(name: str, folder: Path) -> bool:
    """Run a scenario while forty pictures are made; return True if all were made once."""
    cluster = Cluster(folder, "10.77.0.1")
    try:
        run = _Run(cluster, [_join(cluster, core) for core in range(2)])
        cluster.backend.jobs.subscribe(run.events.append)
        began = time.monotonic()
        jobs = [cluster.backend.jobs.submit(_request(1000 * n)) for n in range(_JOBS)]
        _SCENARIOS[name](run)
        over = [cluster.backend.jobs.wait(job.id, 300) for job in jobs]
        seconds = time.monotonic() - began
    finally:
        cluster.close()
    files = [Path(each) for job in over for each in job.pictures]
    seeds = {read_record(sidecar_path(each)).seed for each in files}
    on_disk = len([*(folder / "pictures").rglob("*.png")])
    done = sum(job.state is JobState.DONE for job in over)
    click.echo(
        f"{name}: {'; '.join(run.told)}; {done} of {_JOBS} jobs done in {seconds:.0f} s,"
        f" {len(seeds)} of {_JOBS * _PICTURES} pictures, {on_disk} files"
    )
    return len(seeds) == len(files) == on_disk == _JOBS * _PICTURES


def _join(cluster: Cluster, core: int) -> str:
    within = ["ip", "netns", "exec", _MACHINES[core]]
    return cluster.join(prefix=[*within, "taskset", "-c", str(core)])


def _request(seed: int) -> GenerationRequest:
    return GenerationRequest(
        prompt="a tiger on a blue background",
        seed=seed,
        num_images_per_prompt=_PICTURES,
        num_inference_steps=_STEPS,
        width=_SIZE,
        height=_SIZE,
    )


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenarios", nargs="*", choices=[*_SCENARIOS, []])
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if not options.inside:
        _make_network()
        try:
            command = ["ip", "netns", "exec", _HEAD, sys.executable, "-m", __spec__.name]
            done = subprocess.run([*command, "--inside", *options.scenarios], check=False)
            sys.exit(done.returncode)
        finally:
            _remove_network()
    results = []
    for name in options.scenarios or _SCENARIOS:
        with tempfile.TemporaryDirectory() as folder:
            results.append(_measure(name, Path(folder)))
    sys.exit(not all(results))


if __name__ == "__main__":
    main()
