"""A server and two machines, by Ray: what is lost is made again, and nothing twice."""

from __future__ import annotations

import importlib.util
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from sdtui.cluster import ray_node
from sdtui.cluster.pool import ClusterPool
from sdtui.core.settings import Settings
from sdtui.history import read_record, sidecar_path
from sdtui.jobs import Job, JobState
from sdtui.jobs.backends.local import LocalBackend
from sdtui.requests.request import GenerationRequest

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("ray") is None or not os.environ.get("SDTUI_TEST_CLUSTER"),
        reason="needs the extra cluster and SDTUI_TEST_CLUSTER",
    ),
]
_JOIN = "from sdtui.cli.main import main; main()"


class _Cluster:
    """A backend and the commands that have joined it."""

    def __init__(self, folder: Path) -> None:
        self._key = folder / "cluster.key"
        ray_node.make_key(self._key)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._address = f"127.0.0.1:{free.getsockname()[1]}"
        pool = ClusterPool(self._address, self._key)
        settings = Settings(pictures=folder / "pictures")
        self.backend = LocalBackend(settings, index_file=folder / "index.db", pool=pool)
        self.machines = [self.join(), self.join()]

    def join(self) -> subprocess.Popen[bytes]:
        arguments = ["worker", "--join", self._address, "--key-file", str(self._key)]
        return subprocess.Popen([sys.executable, "-c", _JOIN, *arguments, "--gpus", "cpu"])

    def submit(self) -> list[Job]:
        requests = [
            GenerationRequest(prompt=prompt, seed=seed).changed(
                num_images_per_prompt=4, num_inference_steps=12
            )
            for prompt, seed in (("a tiger", 100), ("pizza", 200), ("a cat", 300))
        ]
        return [self.backend.jobs.submit(each) for each in requests]

    def until(self, condition: Callable[[], object], seconds: float = 60) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end
            time.sleep(0.02)

    def check(self, jobs: list[Job]) -> None:
        """Check that every picture was made once."""
        done = [self.backend.jobs.wait(job.id, 90) for job in jobs]
        assert [each.state for each in done] == [JobState.DONE] * len(jobs)
        files = [Path(path) for job in done for path in job.pictures]
        seeds = [read_record(sidecar_path(file)).seed for file in files]
        assert seeds == [first + n for first in (100, 200, 300) for n in range(4)]

    def close(self) -> None:
        assert self.backend.close(20)
        for each in self.machines:
            each.terminate()
        for each in self.machines:
            each.wait(30)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Cluster]:
    cluster = _Cluster(tmp_path_factory.mktemp("cluster"))
    cluster.until(lambda: len(cluster.backend.jobs.workers) == 2)
    yield cluster
    cluster.close()


def _processes(parent: int, name: str) -> list[psutil.Process]:
    children = psutil.Process(parent).children(recursive=True)
    return [each for each in children if name in " ".join(each.cmdline()[:1])]


def test_pictures_of_a_killed_worker_are_made_elsewhere(cluster: _Cluster) -> None:
    jobs = cluster.submit()
    cluster.until(lambda: any(job.pictures for job in cluster.backend.jobs.jobs()))
    for machine in cluster.machines[:1]:
        for each in _processes(machine.pid, "ray::Actor"):
            each.kill()
    cluster.check(jobs)


def test_server_outlives_the_head_and_machines_join_the_next(cluster: _Cluster) -> None:
    jobs = cluster.submit()
    cluster.until(lambda: len(cluster.backend.jobs.running()) == 2)
    for each in _processes(os.getpid(), "gcs_server"):
        each.kill()
    cluster.check(jobs)
    assert [cluster.backend.jobs.job(job.id).losses for job in jobs] == [0, 0, 0]


def test_machine_that_leaves_ends_and_others_do_the_rest(cluster: _Cluster) -> None:
    jobs = cluster.submit()
    cluster.until(lambda: len(cluster.backend.jobs.running()) == 2)
    cluster.machines[0].send_signal(signal.SIGTERM)
    assert cluster.machines[0].wait(60) == 0
    cluster.check(jobs)
    assert [cluster.backend.jobs.job(job.id).losses for job in jobs] == [0, 0, 0]
