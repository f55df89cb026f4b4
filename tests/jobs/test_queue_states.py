"""Jobs, workers and preloads of the queue, with scripted generators."""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from sdtui.core.cancellation import Cancellation
from sdtui.core.enums import DType, MemoryMode, Quantize, Runtime, Speed
from sdtui.core.errors import ModelDamagedError, QueueClosedError, QueueFullError
from sdtui.core.settings import Settings
from sdtui.jobs import JobState
from sdtui.jobs.generator import Result
from sdtui.jobs.queue import JobQueue
from sdtui.requests.events import Event, Failed, JobEvent, Report
from sdtui.requests.request import GenerationRequest
from tests.support.picture_store import PictureStore


class _NoEngine:
    """Loads nothing."""

    def load(
        self,
        model: str,
        dtype: DType,
        memory_mode: MemoryMode,
        speed: Speed,
        quantize: Quantize,
        runtime: Runtime,
        /,
        *,
        report: Report,
        cancellation: Cancellation,
    ) -> None:
        """Do nothing."""

    def unload(self) -> None:
        """Do nothing."""

    def device_works(self) -> bool:
        return True

    def cleanup(self) -> None:
        """Do nothing."""


class _Lost(_NoEngine):
    """An engine whose device computes no more."""

    def device_works(self) -> bool:
        return False

    def cleanup(self) -> None:
        """Fail like every call to such a device."""
        raise RuntimeError("CUDA error: an illegal memory access was encountered")


class _Breaking:
    """A generator with a bug, which ends on request."""

    def __init__(self, release: threading.Event, engine: _NoEngine | None = None) -> None:
        self.engine = engine or _NoEngine()
        self._release = release

    def generate_with_fallback(self, request: GenerationRequest, **_: Any) -> Result:
        if request.prompt == "break":
            raise KeyError("a fault of ours")
        self._release.wait(10)
        raise ZeroDivisionError


def test_worker_survives_an_unexpected_error(
    store: PictureStore, caplog: pytest.LogCaptureFixture
) -> None:
    queue = JobQueue(
        Settings(),
        store,
        lambda _: _Breaking(threading.Event()),
    )
    for _ in range(2):
        job = queue.submit(GenerationRequest(prompt="break"))
        over = queue.wait(job.id, timeout=10)
        assert over.state is JobState.FAILED
        assert over.error is not None
        assert "a fault of ours" in over.error
    assert "Traceback" in caplog.text
    assert queue.close()


def test_lost_device_ends_the_worker_and_keeps_the_waiting_jobs(store: PictureStore) -> None:
    queue = JobQueue(Settings(), store, lambda _: _Breaking(threading.Event(), _Lost()))
    queue.pause()
    broken, waiting = (queue.submit(GenerationRequest(prompt=each)) for each in ("break", "next"))
    queue.resume()
    failed = queue.wait(broken.id, timeout=10)
    assert failed.error_type == "DeviceLostError"
    assert failed.error is not None
    assert "Start sdtui again" in failed.error
    assert queue.close()
    assert queue.job(waiting.id).state is JobState.QUEUED
    assert [job.id for job in queue.resumable()] == [waiting.id]
    with pytest.raises(QueueClosedError):
        queue.submit(GenerationRequest(prompt="another"))


def _holding(store: PictureStore, limit: int) -> tuple[JobQueue, threading.Event]:
    release = threading.Event()
    queue = JobQueue(
        Settings(),
        store,
        lambda _: _Breaking(release),
        limit,
    )
    running = queue.submit(GenerationRequest(prompt="hang"))
    while queue.job(running.id).state is not JobState.RUNNING:
        time.sleep(0.005)
    return queue, release


def test_close_returns_after_its_timeout(store: PictureStore) -> None:
    queue, release = _holding(store, 1)
    before = time.monotonic()
    assert not queue.close(timeout=0.3)
    assert 0.3 <= time.monotonic() - before < 1
    release.set()
    assert queue.close(timeout=5)


def test_full_queue_refuses_further_jobs(store: PictureStore) -> None:
    queue, release = _holding(store, 1)
    waiting = queue.submit(GenerationRequest(prompt="waits"))
    with pytest.raises(QueueFullError):
        queue.submit(GenerationRequest(prompt="too much"))
    first = queue.submit(GenerationRequest(prompt="goes on"), front=True)
    assert [job.id for job in queue.jobs()[1:]] == [first.id, waiting.id]
    release.set()
    assert queue.close(timeout=5)


def test_only_the_last_200_finished_jobs_are_remembered(store: PictureStore) -> None:
    queue, release = _holding(store, 1000)
    running = queue.jobs()[0]
    waiting = [queue.submit(GenerationRequest(prompt="waits")) for _ in range(210)]
    for job in waiting:
        queue.cancel(job.id)
    release.set()
    assert queue.wait(running.id, timeout=10).state is JobState.FAILED
    listed = [job.id for job in queue.jobs()]
    assert listed == [running.id, *(job.id for job in waiting[:-200:-1])]
    with pytest.raises(KeyError):
        queue.wait(waiting[0].id)
    assert queue.close(timeout=5)


class _LastEvents:
    """The last event of every job and preload so far."""

    def __init__(self, queue: JobQueue) -> None:
        self._changed = threading.Condition()
        self._events: dict[str, Event] = {}
        queue.subscribe(self._put)

    def _put(self, envelope: JobEvent) -> None:
        with self._changed:
            self._events[envelope.job] = envelope.event
            self._changed.notify_all()

    def wait(self, preload_id: str, kind: str) -> Event:
        """Wait until the last event of a preload is of this kind."""
        with self._changed:
            self._changed.wait_for(lambda: self._kind(preload_id) == kind, timeout=60)
            assert self._kind(preload_id) == kind
            return self._events[preload_id]

    def _kind(self, preload_id: str) -> str:
        event = self._events.get(preload_id)
        return event.kind if event else ""


def test_load_reports_how_it_ended(
    store: PictureStore, tiny_sd1: Path, caplog: pytest.LogCaptureFixture
) -> None:
    queue = JobQueue(Settings(device="cpu"), store)
    last = _LastEvents(queue)
    replaced = queue.load(str(tiny_sd1))
    missing = queue.load("/no/such/model")
    failed = last.wait(missing, "failed")
    assert isinstance(failed, Failed)
    assert failed.error_type == "ModelNotFoundError"
    assert last._kind(replaced) in ("superseded", "cancelled")
    assert "model /no/such/model can't be loaded" in caplog.text
    last.wait(queue.load(str(tiny_sd1)), "model_ready")
    last.wait(queue.load(str(tiny_sd1)), "model_ready")  # it is there
    last.wait(queue.unload(), "unloaded")
    assert queue.close(timeout=20)
    with pytest.raises(QueueClosedError):
        queue.load(str(tiny_sd1))


def test_preload_of_the_same_target_has_the_same_id(store: PictureStore) -> None:
    queue, release = _holding(store, 1)
    last = _LastEvents(queue)
    first = queue.load("one")
    assert queue.load("one") == first
    second = queue.load("two")
    assert second != first
    assert last.wait(first, "superseded")
    release.set()
    last.wait(second, "model_ready")
    assert queue.close(timeout=5)


def test_job_submitted_twice_under_one_id_is_queued_once(store: PictureStore) -> None:
    queue, release = _holding(store, 5)
    request = GenerationRequest(prompt="waits")
    first = queue.submit(request, job_id="chosen")
    assert first.id == "chosen"
    assert queue.submit(request, job_id="chosen") == first
    assert [job.id for job in queue.jobs()[1:]] == ["chosen"]
    release.set()
    assert queue.close(timeout=5)
    assert queue.submit(request, job_id="chosen").id == "chosen"  # the answer may have been lost


def test_running_jobs_are_known_by_their_worker(store: PictureStore) -> None:
    queue, release = _holding(store, 5)
    waiting = queue.submit(GenerationRequest(prompt="waits"))
    envelopes: list[JobEvent] = []
    queue.subscribe(envelopes.append)
    (worker,) = queue.running()
    assert queue.running() == {worker: queue.jobs()[0].id}
    release.set()
    queue.wait(waiting.id, timeout=10)
    assert queue.close(timeout=5)
    assert queue.running() == {}
    assert {each.worker for each in envelopes} == {worker}


@pytest.mark.parametrize("after_picture", [False, True])
def test_cancelled_job_is_not_resumed(store: PictureStore, after_picture: bool) -> None:
    queue, release = _holding(store, 5)
    running = queue.jobs()[0]
    queue.cancel(running.id, after_picture=after_picture)
    assert queue.job(running.id).remaining() is None
    waiting = queue.submit(GenerationRequest(prompt="waits"))
    queue.finish()
    queue.cancel(waiting.id)
    release.set()
    assert queue.close(timeout=5)
    assert queue.job(waiting.id).remaining() is None


def test_finishing_queue_starts_no_job_and_keeps_waiting_ones(store: PictureStore) -> None:
    queue, release = _holding(store, 5)
    waiting = queue.submit(GenerationRequest(prompt="waits"))
    queue.finish()
    with pytest.raises(QueueClosedError):
        queue.submit(GenerationRequest(prompt="late"))
    release.set()
    assert queue.close(timeout=5)
    left = queue.job(waiting.id)
    assert left.state is JobState.QUEUED
    assert left.remaining() == left

    other = JobQueue(Settings(), store, lambda _: _Breaking(release))
    other.restore([left, left])
    assert other.wait(waiting.id, timeout=10).state.is_over
    assert other.close(timeout=5)


def test_error_before_a_run_is_logged_with_its_cause(caplog: pytest.LogCaptureFixture) -> None:
    def make_generator(_: Settings) -> Any:
        try:
            raise ImportError("no libcuda")
        except ImportError as error:
            raise ModelDamagedError("torch can't be imported") from error

    queue = JobQueue(Settings(device="cpu"), PictureStore(), make_generator)
    with caplog.at_level(logging.INFO):
        job = queue.submit(GenerationRequest(prompt="a cat"))
        assert queue.wait(job.id, timeout=20).state is JobState.FAILED
    assert queue.close(timeout=20)
    assert "ImportError: no libcuda" in caplog.text
