"""Which workers count as hanging."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import cast

import pytest

from sdtui.jobs import Job, Jobs, JobState
from sdtui.jobs.model_status import ModelStatus
from sdtui.jobs.worker_status import WorkerStatus, WorkerStatuses
from sdtui.requests.events import Finished, JobEvent, Unloaded, WorkerLost
from sdtui.requests.request import GenerationRequest
from sdtui.server.services.stalls import Stalls, are_workers_broken
from tests.support.records import record


class _Queue:
    """A queue as far as `Stalls` looks at it, and its clock."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *workers: WorkerStatus) -> None:
        self.now = 1000.0
        self.jobs = SimpleNamespace(workers=workers, is_paused=False, jobs=list)
        self.stalls = Stalls(cast("Jobs", self.jobs), 10.0)
        monkeypatch.setattr(time, "monotonic", lambda: self.now)

    def silent_after(self, seconds: float) -> list[str]:
        self.stalls.silent()
        self.now += seconds
        return list(self.stalls.silent())

    def reports(self, worker: str) -> None:
        self.stalls.put(JobEvent(job="a", worker=worker, time=0.0, event=Unloaded()))


def test_worker_hangs_that_reports_nothing_of_its_job(monkeypatch: pytest.MonkeyPatch) -> None:
    queue = _Queue(monkeypatch, WorkerStatus("cpu", "a"))
    assert queue.silent_after(9) == []
    queue.reports("cpu")
    assert queue.silent_after(9) == []
    assert queue.silent_after(2) == ["cpu"]
    queue.jobs.workers = (WorkerStatus("cpu", "b"),)
    assert queue.silent_after(9) == []
    queue.jobs.workers = (WorkerStatus("cpu"),)
    assert queue.silent_after(100) == []


def test_worker_that_hangs_while_another_works_is_found_unless_it_is_replaced(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loading = WorkerStatus("cuda:1", model=ModelStatus(loading="b"))
    queue = _Queue(monkeypatch, WorkerStatus("cuda:0", "a"), loading)
    assert queue.silent_after(29) == []
    queue.reports("cuda:0")
    assert queue.silent_after(2) == ["cuda:1"]


def test_job_may_wait_for_a_training_however_long_it_says_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    job = Job(id="a", request=GenerationRequest(prompt="a cat"))
    queue = _Queue(monkeypatch, WorkerStatus("cpu", training="dog"))
    queue.jobs.jobs = lambda: [job]
    assert queue.silent_after(1000) == []
    queue.jobs.workers = (WorkerStatus("cpu"),)
    assert queue.silent_after(1000) == [""]


def test_workers_are_broken_if_each_that_is_there_was_lost_in_a_row() -> None:
    broken, away = WorkerStatus("a", losses_in_row=3), WorkerStatus("b", is_away=True)
    for workers, expected in (
        ((), False),
        ((away,), False),
        ((broken, away), True),
        ((broken, WorkerStatus("c", losses=9, losses_in_row=2)), False),
    ):
        assert are_workers_broken(cast("Jobs", SimpleNamespace(workers=workers))) is expected


def test_losses_in_a_row_end_with_a_finished_job() -> None:
    statuses = WorkerStatuses()
    statuses.add("a")
    found = []
    for event in (WorkerLost(error="x"), WorkerLost(error="x"), Finished(record=record())):
        statuses.apply(JobEvent(job="1", worker="a", time=0.0, event=event), is_preload=False)
        (status,) = statuses.listed({})
        found.append((status.losses, status.losses_in_row))
    assert found == [(1, 1), (2, 2), (2, 0)]


def test_jobs_that_no_worker_begins_are_a_stall_unless_the_queue_is_paused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    queue = _Queue(monkeypatch, WorkerStatus("cpu"))
    job = Job(id="a", request=GenerationRequest(prompt="x"), state=JobState.QUEUED)
    queue.jobs.jobs = lambda: [job]
    assert queue.silent_after(11) == [""]
    queue.jobs.is_paused = True
    assert queue.silent_after(11) == []
    queue.jobs.is_paused = False
    queue.jobs.workers = (WorkerStatus("cpu", is_away=True),)
    assert queue.silent_after(100) == []
