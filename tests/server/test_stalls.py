"""Which workers count as hanging."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import cast

import pytest

from sdtui.jobs import Job, Jobs, JobState
from sdtui.jobs.model_status import ModelStatus
from sdtui.jobs.worker_status import WorkerStatus
from sdtui.requests.events import JobEvent, Unloaded
from sdtui.requests.request import GenerationRequest
from sdtui.server.services.stalls import Stalls


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
