"""The queue with a real generator on a tiny model, and with scripted ones."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from sdtui.core.cancellation import Cancellation
from sdtui.core.enums import DType, MemoryMode
from sdtui.core.errors import ModelDamagedError, OutputError, QueueClosedError, QueueFullError
from sdtui.core.settings import Settings
from sdtui.jobs import Job, JobState
from sdtui.jobs.generator import Result
from sdtui.jobs.queue import JobQueue
from sdtui.requests.events import Event, Failed, JobEvent, Report
from sdtui.requests.record import GenerationRecord
from sdtui.requests.request import MAX_SEED, GenerationRequest
from tests.support.requests import make_request


@dataclass(frozen=True)
class _File:
    path: Path
    record: GenerationRecord


@dataclass
class Store:
    """Stores pictures in a list; with `full` the disk is full."""

    saved: list[Image.Image] = field(default_factory=list)
    full: bool = False

    def save(self, image: Image.Image, record: GenerationRecord, index: int, **_: Any) -> _File:
        if self.full:
            raise OutputError("no space left", "Make room")
        self.saved.append(image)
        path = f"/pictures/{record.seed}.png"
        images = tuple(one.model_copy(update={"path": path}) for one in record.images)
        return _File(Path(path), record.model_copy(update={"images": images}))

    def save_sheets(self, *_: Any) -> list[_File]:
        return []


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def queue(store: Store) -> Iterator[JobQueue]:
    queue = JobQueue(Settings(device="cpu"), store)
    yield queue
    assert queue.close(timeout=20)


@pytest.fixture
def received(queue: JobQueue) -> list[JobEvent]:
    events: list[JobEvent] = []
    queue.subscribe(events.append)
    return events


_request = partial(make_request, seed=None)


def _kinds(events: list[JobEvent], job: str) -> list[str]:
    return [envelope.event.kind for envelope in events if envelope.job == job]


def test_job_runs_from_queued_to_done(
    queue: JobQueue, store: Store, received: list[JobEvent], tiny_sd1: Path
) -> None:
    job = queue.submit(_request(tiny_sd1, num_images_per_prompt=2, seed=5))
    over = queue.wait(job.id, timeout=60)
    assert over.state is JobState.DONE
    assert over.pictures == ("/pictures/5.png", "/pictures/6.png")
    assert over.record is not None
    assert [image.path for image in over.record.images] == list(over.pictures)
    assert len(store.saved) == 2
    kinds = _kinds(received, job.id)
    assert kinds[:3] == ["queued", "engine_starting", "started"]
    assert kinds[-1] == "finished"
    for envelope in received:
        assert JobEvent.model_validate_json(envelope.model_dump_json()) == envelope


def test_failed_job_does_not_stop_the_next(
    queue: JobQueue, received: list[JobEvent], tiny_sd1: Path
) -> None:
    bad = queue.submit(_request(Path("/no/such/model")))
    good = queue.submit(_request(tiny_sd1))
    failed = queue.wait(bad.id, timeout=60)
    assert failed.state is JobState.FAILED
    assert failed.error is not None
    assert "/no/such/model" in failed.error
    assert queue.wait(good.id, timeout=60).state is JobState.DONE
    assert _kinds(received, bad.id)[-1] == "failed"


def test_waiting_and_running_jobs_can_be_cancelled(
    queue: JobQueue, received: list[JobEvent], tiny_sd1: Path
) -> None:
    started = threading.Event()

    def on_event(envelope: JobEvent) -> None:
        if envelope.event.kind == "step":
            started.set()

    queue.subscribe(on_event)
    running = queue.submit(_request(tiny_sd1, num_inference_steps=150))
    waiting = queue.submit(_request(tiny_sd1))
    queue.cancel(waiting.id)
    assert queue.job(waiting.id).state is JobState.CANCELLED
    assert started.wait(60)
    queue.cancel(running.id)
    assert queue.wait(running.id, timeout=30).state is JobState.CANCELLED
    assert _kinds(received, running.id)[-1] == "cancelled"
    assert "started" not in _kinds(received, waiting.id)


def test_paused_queue_starts_nothing_and_resumes_in_the_new_order(
    queue: JobQueue, tiny_sd1: Path
) -> None:
    started: list[str] = []
    unloaded = threading.Event()

    def on_event(envelope: JobEvent) -> None:
        if envelope.event.kind == "started":
            started.append(envelope.job)
        elif envelope.event.kind == "unloaded":
            unloaded.set()

    queue.subscribe(on_event)
    queue.pause()
    jobs = [queue.submit(_request(tiny_sd1, seed=seed)) for seed in (1, 2, 3)]
    first, second, third = (job.id for job in jobs)
    queue.move(third, 0)
    assert [job.id for job in queue.jobs()] == [third, first, second]
    # Jobs take precedence over the preload, so no job can start any more once it is done.
    queue.unload()
    assert unloaded.wait(60)
    assert started == []
    assert all(job.state is JobState.QUEUED for job in queue.jobs())
    queue.resume()
    for job in jobs:
        assert queue.wait(job.id, timeout=60).state is JobState.DONE
    assert started == [third, first, second]
    assert [job.id for job in queue.jobs()] == [second, first, third], "last to end first"


def test_unsaved_picture_is_held_and_can_be_saved_again(
    queue: JobQueue, store: Store, tiny_sd1: Path
) -> None:
    store.full = True
    job = queue.submit(_request(tiny_sd1, seed=5))
    failed = queue.wait(job.id, timeout=60)
    assert failed.state is JobState.FAILED
    assert failed.error == "no space left. Make room."
    with pytest.raises(OutputError):
        queue.save_again(job.id)
    store.full = False
    assert queue.save_again(job.id) == ["/pictures/5.png"]
    assert queue.job(job.id).pictures == ("/pictures/5.png",)
    assert queue.save_again(job.id) == []


class _NoEngine:
    """Loads nothing."""

    def load(
        self,
        model: str,
        dtype: DType,
        memory_mode: MemoryMode,
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
    store: Store, caplog: pytest.LogCaptureFixture
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


def test_lost_device_ends_the_worker_and_keeps_the_waiting_jobs(store: Store) -> None:
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


def test_failing_subscriber_does_not_affect_others(
    queue: JobQueue, tiny_sd1: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: JobEvent) -> None:
        raise ValueError("subscriber")

    unsubscribe = queue.subscribe(fail)
    seen: list[Event] = []
    queue.subscribe(lambda envelope: seen.append(envelope.event))
    job = queue.submit(_request(tiny_sd1))
    assert queue.wait(job.id, timeout=60).state is JobState.DONE
    assert seen[-1].kind == "finished"
    unsubscribe()
    assert "subscriber" in caplog.text


def _holding(store: Store, limit: int) -> tuple[JobQueue, threading.Event]:
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


def test_close_returns_after_its_timeout(store: Store) -> None:
    queue, release = _holding(store, 1)
    before = time.monotonic()
    assert not queue.close(timeout=0.3)
    assert 0.3 <= time.monotonic() - before < 1
    release.set()
    assert queue.close(timeout=5)


def test_full_queue_refuses_further_jobs(store: Store) -> None:
    queue, release = _holding(store, 1)
    waiting = queue.submit(GenerationRequest(prompt="waits"))
    with pytest.raises(QueueFullError):
        queue.submit(GenerationRequest(prompt="too much"))
    first = queue.submit(GenerationRequest(prompt="goes on"), front=True)
    assert [job.id for job in queue.jobs()[1:]] == [first.id, waiting.id]
    release.set()
    assert queue.close(timeout=5)


def test_only_the_last_200_finished_jobs_are_remembered(store: Store) -> None:
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
    store: Store, tiny_sd1: Path, caplog: pytest.LogCaptureFixture
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


def test_preload_of_the_same_target_has_the_same_id(store: Store) -> None:
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


def test_job_submitted_twice_under_one_id_is_queued_once(store: Store) -> None:
    queue, release = _holding(store, 5)
    request = GenerationRequest(prompt="waits")
    first = queue.submit(request, job_id="chosen")
    assert first.id == "chosen"
    assert queue.submit(request, job_id="chosen") == first
    assert [job.id for job in queue.jobs()[1:]] == ["chosen"]
    release.set()
    assert queue.close(timeout=5)
    assert queue.submit(request, job_id="chosen").id == "chosen"  # the answer may have been lost


def test_running_jobs_are_known_by_their_worker(store: Store) -> None:
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
def test_cancelled_job_is_not_resumed(store: Store, after_picture: bool) -> None:
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


def test_finishing_queue_starts_no_job_and_keeps_waiting_ones(store: Store) -> None:
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


def test_stopped_job_resumes_with_the_remaining_pictures() -> None:
    request = GenerationRequest(prompt="x", seed=MAX_SEED, num_images_per_prompt=3)
    job = Job(id="1", request=request, state=JobState.CANCELLED, seed=MAX_SEED)
    remaining = job.model_copy(update={"pictures": ("/one.png",)}).remaining()
    assert remaining is not None
    assert (remaining.id, remaining.state) == ("1", JobState.QUEUED)
    assert (remaining.request.seed, remaining.request.num_images_per_prompt) == (0, 2)
    for state in (JobState.DONE, JobState.FAILED):
        assert job.model_copy(update={"state": state}).remaining() is None


def test_error_before_a_run_is_logged_with_its_cause(caplog: pytest.LogCaptureFixture) -> None:
    def make_generator(_: Settings) -> Any:
        try:
            raise ImportError("no libcuda")
        except ImportError as error:
            raise ModelDamagedError("torch can't be imported") from error

    queue = JobQueue(Settings(device="cpu"), Store(), make_generator)
    with caplog.at_level(logging.INFO):
        job = queue.submit(GenerationRequest(prompt="a cat"))
        assert queue.wait(job.id, timeout=20).state is JobState.FAILED
    assert queue.close(timeout=20)
    assert "ImportError: no libcuda" in caplog.text
