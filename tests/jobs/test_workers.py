"""Several workers: what they share, and what becomes of jobs whose worker is lost."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sdtui.core.cancellation import Cancellation
from sdtui.core.errors import OutputError, SettingsError, WorkerLeftError, WorkerLostError
from sdtui.core.settings import Settings, parse_setting
from sdtui.history import History, read_record, sidecar_path
from sdtui.jobs import Job, JobState
from sdtui.jobs.event_text import workers_text
from sdtui.jobs.execution import JobSaver
from sdtui.jobs.queue import JobQueue
from sdtui.jobs.queue_state import QueueState
from sdtui.jobs.workers import devices
from sdtui.jobs.workers.child import ChildOptions
from sdtui.jobs.workers.local import LocalWorker
from sdtui.jobs.workers.process import ProcessWorker
from sdtui.jobs.workers.run import JobResult
from sdtui.jobs.workers.worker import Assignment, Save, UnsavedPicture, WorkerSlot
from sdtui.monitor import GpuSample, Sample
from sdtui.requests.events import Event, JobEvent, Report, Saved, Started, Unloaded, WorkerLost
from sdtui.requests.request import GenerationRequest
from tests.support.child_generator import ChildGenerator
from tests.support.records import record
from tests.support.scripted_generator import ScriptedGenerator
from tests.support.workers import dispatcher_of, slot_of


class _Mortal(LocalWorker):
    """A worker that is lost before it saves a picture, as often as it is told."""

    def __init__(self, generator: ScriptedGenerator, deaths: list[int]) -> None:
        """`deaths` are indexes of the pictures before which a worker dies, in turn."""
        super().__init__(Settings(device="cpu"), lambda _: generator)
        self.deaths = deaths
        self.leaves = 0
        """How often it will leave before it begins."""
        self.starts_to_fail = 0
        self.assignments: list[Assignment] = []

    def start(self, report: Report) -> None:
        if self.starts_to_fail:
            self.starts_to_fail -= 1
            raise WorkerLostError("the process can't be started")
        super().start(report)

    def run(
        self, assignment: Assignment, report: Report, save: Save, cancellation: Cancellation
    ) -> JobResult:
        self.assignments.append(assignment)
        if self.leaves:
            self.leaves -= 1
            raise WorkerLeftError("the machine takes no more work")

        def mortal(picture: UnsavedPicture) -> None:
            if self.deaths and picture.index == self.deaths[0]:
                self.deaths.pop(0)
                raise _Death
            save(picture)

        try:
            return super().run(assignment, report, mortal, cancellation)
        except _Death as death:
            raise WorkerLostError("the process ended with signal 9") from death


class _Death(BaseException):
    """Ends a run as SIGKILL would."""


class _Pool:
    """A queue with two such workers."""

    def __init__(self, folder: Path) -> None:
        self.generators = [ScriptedGenerator(), ScriptedGenerator()]
        self.deaths: list[int] = []
        self.workers = [_Mortal(each, self.deaths) for each in self.generators]
        self.history = History(folder / "pictures", folder / "index.db")
        slots = [WorkerSlot(f"cuda:{n}", worker) for n, worker in enumerate(self.workers)]
        self.queue = JobQueue(Settings(device="cpu"), self.history, slots=slots)
        self.events: list[JobEvent] = []
        self.queue.subscribe(self.events.append)

    def submit(self, prompt: str = "cats", pictures: int = 1, **values: object) -> Job:
        request = GenerationRequest(prompt=prompt, num_images_per_prompt=pictures)
        return self.queue.submit(request.changed(**values))

    def wait(self, job: Job) -> Job:
        return self.queue.wait(job.id, timeout=20)

    def of_kind(self, kind: type[Event]) -> list[JobEvent]:
        return [each for each in self.events if isinstance(each.event, kind)]


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[_Pool]:
    pool = _Pool(tmp_path)
    yield pool
    for generator in pool.generators:
        generator.hold.clear()
    assert pool.queue.close(20)
    pool.history.close()


def _until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.002)


def test_workers_run_jobs_at_the_same_time_and_show_what_they_do(pool: _Pool) -> None:
    for generator in pool.generators:
        generator.hold.set()
    jobs = [pool.submit() for _ in range(3)]
    _until(lambda: len(pool.queue.running()) == 2)
    running = {each.name: each.job for each in pool.queue.workers}
    assert running == pool.queue.running()
    assert set(running.values()) == {jobs[0].id, jobs[1].id}
    loading = "cuda:0 loads a model · cuda:1 loads a model"
    _until(lambda: workers_text(pool.queue.workers) == loading)
    for generator in pool.generators:
        generator.hold.clear()
    assert [pool.wait(job).state for job in jobs] == [JobState.DONE] * 3


def test_missing_pictures_of_a_lost_worker_are_made_elsewhere_and_none_twice(pool: _Pool) -> None:
    pool.deaths.append(2)
    job = pool.wait(pool.submit(pictures=4, seed=7))
    assert job.state is JobState.DONE
    assert job.losses == 1
    records = [read_record(sidecar_path(Path(path))) for path in job.pictures]
    assert [each.seed for each in records] == [7, 8, 9, 10]
    assert [each.images[0].index for each in records] == [0, 1, 2, 3]
    assert job.record is not None
    assert [each.seed for each in job.record.images] == [7, 8, 9, 10]
    assert len(pool.of_kind(Saved)) == 4
    assert [each.event.error for each in pool.of_kind(WorkerLost)] == [  # type: ignore[union-attr]
        "the process ended with signal 9"
    ]
    assert sum(each.losses for each in pool.queue.workers) == 1
    assignments = [each for worker in pool.workers for each in worker.assignments]
    assert sorted((each.attempt, each.done) for each in assignments) == [(1, 0), (2, 2)]


def test_open_seed_is_drawn_once_for_all_attempts(pool: _Pool) -> None:
    pool.deaths.append(1)
    job = pool.wait(pool.submit(pictures=3))
    assert job.state is JobState.DONE
    seeds = [read_record(sidecar_path(Path(path))).seed or 0 for path in job.pictures]
    assert seeds == [seeds[0] + number for number in range(3)]
    assert {each.event.seed for each in pool.of_kind(Started)} == {seeds[0]}  # type: ignore[union-attr]


def test_job_that_loses_two_workers_fails_and_keeps_its_pictures(pool: _Pool) -> None:
    pool.deaths.extend([1, 1])
    job = pool.wait(pool.submit(pictures=2))
    assert job.state is JobState.FAILED
    assert job.error is not None
    assert job.error.startswith("2 workers died while they made this job.")
    assert len(job.pictures) == 1
    assert pool.wait(pool.submit()).state is JobState.DONE


def test_worker_that_cannot_start_costs_no_job(
    pool: _Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(_: Report) -> None:
        raise WorkerLostError("the process ended with signal 6")

    monkeypatch.setattr(pool.workers[0], "start", die)
    jobs = [pool.wait(pool.submit()) for _ in range(4)]
    assert [(job.state, job.losses) for job in jobs] == [(JobState.DONE, 0)] * 4
    assert pool.workers[0].assignments == []


def test_job_that_was_cancelled_is_not_begun_again(pool: _Pool) -> None:
    pool.deaths.append(1)
    for generator in pool.generators:
        generator.hold_at_picture = 1
    job = pool.submit(pictures=2)
    _until(lambda: pool.of_kind(Saved))
    pool.queue.cancel(job.id, after_picture=True)
    for generator in pool.generators:
        generator.hold_at_picture = None
    assert pool.wait(job).state is JobState.CANCELLED


def test_model_is_unloaded_by_all_workers(pool: _Pool) -> None:
    jobs = [pool.submit() for _ in range(6)]
    for job in jobs:
        pool.wait(job)
    task = pool.queue.unload()
    _until(lambda: [each for each in pool.of_kind(Unloaded) if each.job == task])
    used = [generator for generator in pool.generators if generator.requests]
    assert all(generator.engine.loaded[-1] == "" for generator in used)
    assert len(pool.of_kind(Unloaded)) == 1


def test_late_picture_of_an_attempt_that_was_given_up_is_refused(pool: _Pool) -> None:
    saver = JobSaver(Job(id="1", request=GenerationRequest(prompt="x")), pool.history)
    old, new = saver.begin(), saver.begin()
    picture = UnsavedPicture(b"file", record(), 0)
    with pytest.raises(WorkerLostError):
        saver.save(picture, old.attempt, lambda _: None)
    assert new.attempt == 2
    assert pool.history.entries().total == 0


def test_worker_that_is_lost_again_and_again_pauses() -> None:
    now = [0.0]
    dispatcher = dispatcher_of(slot_of("a"), slot_of("b"), clock=lambda: now[0])
    state = QueueState()
    state.add(Job(id="1", request=GenerationRequest(prompt="x")))
    dispatcher.idle("a", is_idle=True)
    for _ in range(3):
        assert dispatcher.job_for("a", state) == "1"
        dispatcher.lost("a")
        assert dispatcher.job_for("a", state) is None, "another should take its job"
        now[0] += 2
    assert dispatcher.job_for("a", state) is None
    now[0] += 60
    assert dispatcher.job_for("a", state) == "1"


def test_job_goes_to_the_card_with_room() -> None:
    slots = slot_of("small", memory=8), slot_of("large", memory=80)
    dispatcher = dispatcher_of(*slots, memory=lambda _: 40)
    state = QueueState()
    state.add(Job(id="1", request=GenerationRequest(prompt="x")))
    for name in ("small", "large"):
        dispatcher.idle(name, is_idle=True)
    assert dispatcher.job_for("small", state) is None
    assert dispatcher.job_for("large", state) == "1"


def test_worker_that_is_away_takes_nothing_until_it_is_back() -> None:
    is_there = False
    dispatcher = dispatcher_of(slot_of("here"), slot_of("away", is_available=lambda: is_there))
    state = QueueState()
    state.add(Job(id="1", request=GenerationRequest(prompt="x")))
    dispatcher.idle("here", is_idle=False)
    assert dispatcher.job_for("away", state) is None
    assert dispatcher.seconds_aside("away") is not None, "it looks again"
    assert dispatcher.available() == ["here"]
    is_there = True
    assert dispatcher.job_for("away", state) == "1"


def test_worker_that_cannot_start_is_no_loss_of_its_job(pool: _Pool) -> None:
    for worker in pool.workers:
        worker.starts_to_fail = 1
    job = pool.wait(pool.submit())
    assert (job.state, job.losses) == (JobState.DONE, 0)


def test_job_outlives_any_number_of_workers_that_leave(pool: _Pool) -> None:
    for worker in pool.workers:
        worker.leaves = 2
    job = pool.wait(pool.submit(pictures=2))
    assert job.state is JobState.DONE
    assert job.losses == 0
    assert len(pool.of_kind(Saved)) == 2


def test_worker_that_joins_later_takes_waiting_jobs(tmp_path: Path) -> None:
    history = History(tmp_path / "pictures", tmp_path / "index.db")
    jobs = JobQueue(Settings(device="cpu"), history, slots=[])
    job = jobs.submit(GenerationRequest(prompt="cats"))
    assert jobs.job(job.id).state is JobState.QUEUED
    worker = LocalWorker(Settings(device="cpu"), lambda _: ScriptedGenerator())
    jobs.add_worker(WorkerSlot("later", worker))
    assert jobs.wait(job.id, timeout=20).state is JobState.DONE
    assert [each.name for each in jobs.workers] == ["later"]
    assert jobs.close(20)
    history.close()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("all", ("all",)),
        ("0,2", ("cuda:0", "cuda:2")),
        ("cpu,cpu", ("cpu", "cpu")),
        (1, ("cuda:1",)),
    ],
)
def test_devices_are_read(text: object, expected: tuple[str, ...]) -> None:
    assert parse_setting("gpus", text) == expected


@pytest.mark.parametrize("text", ["", "0,0", "gpu", "0,all", "-1"])
def test_wrong_devices_are_refused(text: str) -> None:
    with pytest.raises(SettingsError):
        parse_setting("gpus", text)


class _Monitor:
    """Two cards."""

    def sample(self) -> Sample:
        gpus = (GpuSample(3, "small", 0, 24), GpuSample(5, "large", 0, 80))
        return Sample(0.0, 0, 0, 0, 0.0, gpus)


def test_each_process_sees_its_own_card_of_an_allocation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "Monitor", _Monitor)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    found = [
        (each.name, each.device, each.environment["CUDA_VISIBLE_DEVICES"], each.memory)
        for each in devices.device_processes(("all",))
    ]
    assert found == [("cuda:0", "cuda", "3", 24), ("cuda:1", "cuda", "5", 80)]


def test_workers_on_the_cpu_share_its_cores() -> None:
    first, second = devices.device_processes(("cpu", "cpu"))
    assert (first.name, second.name) == ("cpu", "cpu 2")
    threads = int(first.environment["OMP_NUM_THREADS"])
    assert threads == max(1, len(os.sched_getaffinity(0)) // 2)


@contextmanager
def _process() -> Iterator[ProcessWorker]:
    """A worker with a process of its own."""
    options = ChildOptions(Settings(device="cpu"), {"SDTUI_TEST": "1"}, ChildGenerator)
    worker = ProcessWorker("cpu", options, silence_seconds=0.3)
    try:
        yield worker
    finally:
        worker.close()


def _assignment(prompt: str, pictures: int = 2) -> Assignment:
    request = GenerationRequest(prompt=prompt, seed=3, num_images_per_prompt=pictures)
    return Assignment(Job(id="1", request=request))


def test_worker_in_a_process_of_its_own() -> None:
    """One test, since each process takes half a second to start."""
    events: list[Event] = []
    pictures: list[UnsavedPicture] = []
    with _process() as worker:

        def run(prompt: str, cancellation: Cancellation | None = None) -> JobResult:
            events.clear()
            pictures.clear()
            worker.start(events.append)
            assignment = _assignment(prompt)
            return worker.run(
                assignment, events.append, pictures.append, cancellation or Cancellation()
            )

        def refuse(_: UnsavedPicture) -> None:
            raise OutputError("no space left")

        assert run("cats").error is None
        assert [event.kind for event in events][:2] == ["engine_starting", "stage"]
        assert [each.index for each in pictures] == [0, 1]
        assert all(isinstance(each.image, bytes) for each in pictures), "they come encoded"
        first = worker.process_id

        result = worker.run(_assignment("x"), lambda _: None, refuse, Cancellation())
        assert isinstance(result.error, OutputError)
        assert result.error.what == "no space left"

        cancelled = Cancellation()
        cancelled.stop_now()
        assert run("cats", cancelled).record.cancelled

        with pytest.raises(KeyError, match="a fault of ours"):
            run("fail")
        assert worker.process_id == first, "a bug ends no process"

        with pytest.raises(WorkerLostError, match="silent"):
            run("hang")
        worker.close()
        with pytest.raises(WorkerLostError, match="illegal memory access"):
            run("lose")
        assert worker.process_id != first, "another takes its place"
