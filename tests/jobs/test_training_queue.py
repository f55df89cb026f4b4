"""Trainings in the queue of a backend."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sdtui.core.errors import QueueClosedError, TrainingConflictError, TrainingError
from sdtui.core.settings import Settings
from sdtui.jobs import Job
from sdtui.jobs.backends.local import LocalBackend
from sdtui.jobs.backends.trainings import LocalTrainings
from sdtui.jobs.queue import JobQueue
from sdtui.requests.events import JobEvent, Training, TrainingProgress
from sdtui.requests.request import GenerationRequest
from sdtui.requests.training.events import CheckpointWritten, TrainingFailed
from sdtui.requests.training.status import TrainingCondition
from sdtui.training.folder import find_training
from tests.support.backends import until
from tests.support.picture_store import PictureStore
from tests.support.scripted_generator import ScriptedGenerator
from tests.support.trainings import script_trainings, training_request
from tests.support.workers import slot_of


class _Opened:
    """A backend and the events of its queue."""

    def __init__(self, backend: LocalBackend, generator: ScriptedGenerator) -> None:
        self.backend = backend
        self.trainings = backend.trainings
        self.generator = generator
        self.events: list[JobEvent] = []
        backend.jobs.subscribe(self.events.append)

    def submit(self) -> Job:
        return self.backend.jobs.submit(GenerationRequest(prompt="a cat"))

    def until(self, condition: TrainingCondition, name: str = "dog") -> None:
        until(lambda: self.trainings.status(name).condition is condition)

    def until_running(self, name: str = "dog") -> None:
        """Wait for a step of its present process, which from then on takes commands."""
        self.until(TrainingCondition.RUNNING, name)
        until(lambda: self._said_last(name) == f"{name} step")

    def _said_last(self, name: str) -> str:
        return next((each for each in reversed(self.said()) if each.startswith(f"{name} ")), "")

    def said(self) -> list[str]:
        """Return what happened to trainings, in short."""
        return [
            f"{each.event.name} {each.event.event.kind}"
            for each in self.events
            if isinstance(each.event, Training | TrainingProgress)
        ]


Open = Callable[[], _Opened]


@pytest.fixture
def open_backend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    """Backends over the same folders, like those of successive processes."""
    script_trainings(tmp_path, monkeypatch)
    opened: list[_Opened] = []

    def open_() -> _Opened:
        generator = ScriptedGenerator()
        settings = Settings(device="cpu", pictures=tmp_path / "pictures")
        backend = LocalBackend(settings, queue_folder=tmp_path, make_generator=lambda _: generator)
        opened.append(_Opened(backend, generator))
        return opened[-1]

    yield open_
    for each in opened:
        each.generator.hold.clear()
        assert each.backend.close(20)


@pytest.fixture
def opened(open_backend: Open) -> _Opened:
    return open_backend()


@contextmanager
def _held(opened: _Opened) -> Iterator[Job]:
    """Let a picture be made until the end of the block."""
    opened.generator.hold.set()
    job = opened.submit()
    until(opened.backend.jobs.running)
    yield job
    opened.generator.hold.clear()


def test_training_begins_after_the_jobs_before_it_and_later_ones_wait(
    opened: _Opened, tmp_path: Path
) -> None:
    with _held(opened):
        before = opened.submit()
        opened.trainings.start(training_request(tmp_path))
        after = opened.submit()
        assert opened.trainings.status("dog").condition is TrainingCondition.QUEUED
    opened.until_running()
    jobs = opened.backend.jobs
    assert jobs.job(before.id).state.is_over
    assert not jobs.job(after.id).state.is_over
    assert opened.generator.engine.loaded[-1] == ""  # its memory is free
    (worker,) = jobs.workers
    assert (worker.training, worker.job, worker.model.loaded) == ("dog", "", None)
    assert opened.trainings.status("dog").notices == ("cpu",)  # the worker's device
    assert not opened.trainings.status("dog").is_elsewhere
    find_training("dog").send("finish")
    assert jobs.wait(after.id, 20).state.is_over
    assert opened.trainings.status("dog").condition is TrainingCondition.FINISHED
    said = ["queued", "preparing", "notice", "step", "finished"]
    assert opened.said() == [f"dog {each}" for each in said]
    assert jobs.workers[0].training == ""


def test_paused_training_frees_the_device_and_goes_on(opened: _Opened, tmp_path: Path) -> None:
    opened.trainings.start(training_request(tmp_path))
    opened.until_running()
    job = opened.submit()
    opened.trainings.pause("dog")
    assert opened.backend.jobs.wait(job.id, 20).state.is_over
    assert opened.trainings.status("dog").condition is TrainingCondition.PAUSED
    opened.trainings.resume("dog")
    opened.until_running()
    opened.trainings.stop("dog")
    opened.until(TrainingCondition.STOPPED)
    assert opened.trainings.status("dog").lora == "/lora"


def test_process_that_dies_is_a_failure_and_the_queue_goes_on(
    opened: _Opened, tmp_path: Path
) -> None:
    opened.trainings.start(training_request(tmp_path))
    opened.until_running()
    find_training("dog").send("crash")
    assert opened.backend.jobs.wait(opened.submit().id, 20).state.is_over
    found = opened.trainings.status("dog")
    assert found.condition is TrainingCondition.FAILED
    assert "was killed by signal 9" in found.error
    assert opened.said()[-1] == "dog failed"
    opened.trainings.resume("dog")
    opened.until_running()
    opened.trainings.stop("dog")


def test_process_that_cannot_be_started_is_a_failure(
    opened: _Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.executable", str(tmp_path / "missing"))
    opened.trainings.start(training_request(tmp_path))
    opened.until(TrainingCondition.FAILED)
    assert "missing" in opened.trainings.status("dog").error
    assert opened.backend.jobs.wait(opened.submit().id, 20).state.is_over


def test_waiting_training_can_be_paused_and_stopped(opened: _Opened, tmp_path: Path) -> None:
    checkpoint = tmp_path / "dog-000005.safetensors"
    checkpoint.write_bytes(b"weights")
    with _held(opened):
        opened.trainings.start(training_request(tmp_path))
        with pytest.raises(TrainingConflictError, match="is queued"):
            opened.trainings.start(training_request(tmp_path), anew=True)
        opened.trainings.pause("dog")
        assert opened.trainings.status("dog").condition is TrainingCondition.PAUSED
        find_training("dog").add_event(CheckpointWritten(step=5, path=str(checkpoint)))
        opened.trainings.resume("dog")
        opened.trainings.stop("dog")
    found = opened.trainings.status("dog")
    assert found.condition is TrainingCondition.STOPPED
    assert found.lora == str(tmp_path / "dog.safetensors")
    with pytest.raises(TrainingConflictError, match="stopped already"):
        opened.trainings.stop("dog")
    assert opened.said() == [
        *("dog queued", "dog paused", "dog queued", "dog finished"),
    ]


def test_next_process_goes_on_with_what_was_running_or_queued(
    open_backend: Open, tmp_path: Path
) -> None:
    first = open_backend()
    first.trainings.continue_interrupted()
    first.trainings.start(training_request(tmp_path))
    first.until_running()
    first.trainings.start(training_request(tmp_path, "cat"))
    first.trainings.start(training_request(tmp_path, "unwanted"))
    first.trainings.pause("unwanted")
    other = open_backend()
    assert other.trainings.continue_interrupted() == []
    assert other.trainings.status("cat").is_elsewhere
    with pytest.raises(TrainingConflictError, match="queued in another process"):
        other.trainings.pause("cat")
    assert first.backend.close(20)
    conditions = {each.name: each.condition for each in first.trainings.all()}
    assert conditions["dog"] is TrainingCondition.INTERRUPTED
    assert conditions["unwanted"] is TrainingCondition.PAUSED
    with pytest.raises(QueueClosedError):
        first.trainings.resume("dog")
    assert other.trainings.continue_interrupted() == ["dog", "cat"]
    for name in ("dog", "cat"):
        other.until_running(name)
        find_training(name).send("finish")
        other.until(TrainingCondition.FINISHED, name)
    assert open_backend().trainings.continue_interrupted() == []


def test_only_the_queue_of_that_name_goes_on(tmp_path: Path) -> None:
    request = training_request(tmp_path)
    with _queue("app") as queue:
        queue.pause()
        trainings = LocalTrainings(queue.trainings)
        trainings.continue_interrupted()
        trainings.start(request)
    with _queue("server") as queue:
        assert LocalTrainings(queue.trainings).continue_interrupted() == []
        find_training("dog").add_event(TrainingFailed(error="x", error_type="x"))
    with _queue("app") as queue:
        assert LocalTrainings(queue.trainings).continue_interrupted() == []


@contextmanager
def _queue(name: str) -> Iterator[JobQueue]:
    queue = JobQueue(
        Settings(device="cpu"), PictureStore(), lambda _: ScriptedGenerator(), name=name
    )
    yield queue
    assert queue.close(20)


def test_one_of_several_workers_trains_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script_trainings(tmp_path, monkeypatch)
    slots = [
        slot_of("elsewhere"),
        *(slot_of(each, training_environment={"SDTUI_DEVICE": each}) for each in ("a", "b")),
    ]
    queue = JobQueue(Settings(device="cpu"), PictureStore(), slots=slots)
    trainings = LocalTrainings(queue.trainings)
    trainings.start(training_request(tmp_path))
    trainings.start(training_request(tmp_path, "later"))
    until(lambda: trainings.status("dog").step)
    jobs = [queue.submit(GenerationRequest(prompt="a cat")) for _ in range(3)]
    assert all(queue.wait(job.id, 20).state.is_over for job in jobs)
    (trained,) = (each.name for each in queue.workers if each.training)
    assert trainings.status("dog").notices == (trained,)
    assert trained in "ab"
    assert trainings.status("later").condition is TrainingCondition.QUEUED
    trainings.stop("later")
    trainings.stop("dog")
    assert queue.close(20)


def test_workers_that_cannot_train_are_named_before_anything_is_queued(tmp_path: Path) -> None:
    queue = JobQueue(Settings(device="cpu"), PictureStore(), slots=[slot_of("ray")])
    trainings = LocalTrainings(queue.trainings)
    with pytest.raises(TrainingError, match="no worker here can train"):
        trainings.start(training_request(tmp_path))
    assert trainings.all() == []
    with pytest.raises(TrainingError, match="there is no folder"):
        trainings.start(training_request(tmp_path / "missing"))


def test_unloading_does_not_wait_for_a_training(opened: _Opened, tmp_path: Path) -> None:
    opened.trainings.start(training_request(tmp_path))
    opened.until_running()
    task = opened.backend.jobs.unload()
    assert [each.event.kind for each in opened.events if each.job == task] == ["unloaded"]
    assert opened.backend.jobs.workers[0].training == "dog"
    opened.trainings.stop("dog")
