"""What a server does that has nothing to do."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import cast

import pytest

from sdtui.jobs.worker_status import WorkerStatus
from sdtui.requests.events import Cancelled, Event, JobEvent, Loaded, Loading, Queued, Started
from sdtui.server.dependencies import ServerServices
from sdtui.server.options import ServerOptions
from sdtui.server.services.idle import IdleTimer
from sdtui.server.services.job_events import JobEventBroker

_LOADED = Loaded(
    model="a", family="sd1", device="cpu", dtype="float32", memory_mode="full", seconds=0.1
)


class _Server:
    """A server as the timer sees it; its clock begins now."""

    def __init__(self, options: ServerOptions) -> None:
        self.events = JobEventBroker()
        self.ending = asyncio.Event()
        self.unloads = 0
        self.clients = 0
        self.loaded_workers: tuple[WorkerStatus, ...] = ()
        self.is_reachable = True
        services = SimpleNamespace(
            options=options,
            job_events=self.events,
            ending=self.ending,
            backend=SimpleNamespace(jobs=self),
        )
        self._start = time.monotonic()
        self._timer = IdleTimer(
            cast("ServerServices", services), lambda: self.clients > 0, lambda: self.is_reachable
        )

    @property
    def workers(self) -> tuple[WorkerStatus, ...]:
        one = WorkerStatus("cpu", self.events.running or "", self.events.model)
        return self.loaded_workers or (one,)

    def unload(self, workers: Sequence[str]) -> None:
        self.unloads += 1
        self.unloaded = list(workers)

    def put(self, *events: Event) -> None:
        for event in events:
            self.events.put(JobEvent(job="a", time=0.0, event=event))

    def check(self, seconds: float) -> None:
        self._timer.check(self._start + seconds + 0.1)


@pytest.fixture
def server() -> _Server:
    return _Server(ServerOptions(unload_after=10, end_after=100))


def test_model_is_unloaded_once_after_the_last_job(server: _Server) -> None:
    server.check(20)
    assert server.unloads == 0  # none is loaded
    server.put(Queued(position=0), Loading(model="a", component="unet", number=1, total=1))
    server.check(30)
    server.put(_LOADED, Started(seed=1))
    server.check(60)
    server.put(Cancelled())
    server.check(69)
    assert server.unloads == 0
    for seconds in (70, 71, 79):
        server.check(seconds)
    assert server.unloads == 1


def test_worker_without_jobs_is_unloaded_while_another_works(server: _Server) -> None:
    server.put(_LOADED)
    model = server.events.model
    server.loaded_workers = (WorkerStatus("cuda:0", "a", model), WorkerStatus("cuda:1", "", model))
    server.check(20)
    assert server.unloaded == ["cuda:1"]
    loading = replace(model, loading="b")
    server.loaded_workers = (WorkerStatus("cuda:0", "", model), WorkerStatus("cuda:1", "", loading))
    server.check(40)
    assert server.unloads == 1, "it would cancel the load"


def test_server_that_trains_is_in_use(server: _Server) -> None:
    server.loaded_workers = (WorkerStatus("cpu", training="dog"),)
    server.check(150)
    assert not server.ending.is_set()
    server.loaded_workers = (WorkerStatus("cpu"),)
    server.check(260)
    assert server.ending.is_set()


def test_models_of_all_workers_are_unloaded_once(server: _Server) -> None:
    server.put(_LOADED)  # of one of them: that it was unloaded is an event of another
    server.loaded_workers = (
        WorkerStatus("cuda:0"),
        WorkerStatus("cuda:1", model=server.events.model),
    )
    server.check(20)
    assert server.unloads == 1
    server.loaded_workers = (WorkerStatus("cuda:0"), WorkerStatus("cuda:1"))
    server.check(40)
    assert server.unloads == 1


def test_model_of_a_paused_queue_is_unloaded_but_the_server_stays(server: _Server) -> None:
    server.put(_LOADED, Queued(position=0))
    server.check(200)
    assert server.unloads == 1
    assert not server.ending.is_set()


def test_server_ends_when_there_was_neither_job_nor_client(server: _Server) -> None:
    server.clients = 1
    server.check(150)
    server.clients = 0
    server.check(249)
    assert not server.ending.is_set()
    server.check(250)
    assert server.ending.is_set()


def test_server_whose_socket_was_deleted_ends_once_nobody_uses_it(server: _Server) -> None:
    server.is_reachable = False
    server.clients = 1
    server.check(5)
    assert not server.ending.is_set()
    server.clients = 0
    server.check(6)
    assert server.ending.is_set()


def test_without_limits_nothing_happens() -> None:
    server = _Server(ServerOptions())
    server.put(_LOADED)
    server.check(10**6)
    assert server.unloads == 0
    assert not server.ending.is_set()
