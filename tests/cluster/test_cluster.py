"""A server and two machines, by Ray: what is lost is made again, and nothing twice."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from sdtui.history import read_record, sidecar_path
from sdtui.jobs import Job, JobState
from sdtui.requests.request import GenerationRequest
from tests.support.cluster import Cluster, cluster_marks, processes, until

pytestmark = cluster_marks


def _submit(cluster: Cluster) -> list[Job]:
    requests = [
        GenerationRequest(prompt=prompt, seed=seed).changed(
            num_images_per_prompt=4, num_inference_steps=12
        )
        for prompt, seed in (("a tiger", 100), ("pizza", 200), ("a cat", 300))
    ]
    return [cluster.backend.jobs.submit(each) for each in requests]


def _check(cluster: Cluster, jobs: list[Job]) -> None:
    """Check that every picture was made once."""
    done = [cluster.backend.jobs.wait(job.id, 90) for job in jobs]
    assert [each.state for each in done] == [JobState.DONE] * len(jobs)
    files = [Path(path) for job in done for path in job.pictures]
    seeds = [read_record(sidecar_path(file)).seed for file in files]
    assert seeds == [first + n for first in (100, 200, 300) for n in range(4)]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    cluster = Cluster(tmp_path_factory.mktemp("cluster"))
    for _ in range(2):
        cluster.join()
    yield cluster
    cluster.close()


def test_pictures_of_a_killed_worker_are_made_elsewhere(cluster: Cluster) -> None:
    jobs = _submit(cluster)
    until(lambda: any(job.pictures for job in cluster.backend.jobs.jobs()))
    for each in cluster.processes(next(iter(cluster.machines)), "ray::Actor"):
        each.kill()
    _check(cluster, jobs)


def test_server_outlives_the_head_and_machines_join_the_next(cluster: Cluster) -> None:
    jobs = _submit(cluster)
    until(lambda: len(cluster.backend.jobs.running()) == 2)
    for each in processes(os.getpid(), "gcs_server"):
        each.kill()
    _check(cluster, jobs)
    assert [cluster.backend.jobs.job(job.id).losses for job in jobs] == [0, 0, 0]


def test_machine_that_leaves_ends_and_others_do_the_rest(cluster: Cluster) -> None:
    jobs = _submit(cluster)
    until(lambda: len(cluster.backend.jobs.running()) == 2)
    name, machine = next(iter(cluster.machines.items()))
    machine.send_signal(signal.SIGTERM)
    assert machine.wait(60) == 0
    _check(cluster, jobs)
    assert [cluster.backend.jobs.job(job.id).losses for job in jobs] == [0, 0, 0]
    until(lambda: {each.name: each.is_away for each in cluster.backend.jobs.workers}[name])
