"""JobQueue: the jobs of one process and the workers that run them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from sdtui.core.cancellation import Cancellation
from sdtui.core.errors import QueueClosedError, WorkerLostError
from sdtui.core.settings import Settings
from sdtui.jobs.api import Subscriber
from sdtui.jobs.dispatcher import Dispatcher
from sdtui.jobs.execution import JobOutcome, JobSaver, PictureStore, failed_event
from sdtui.jobs.generator import MakeGenerator, make_generator
from sdtui.jobs.job import Job, Output, new_id, new_job
from sdtui.jobs.job_ends import JobEnds
from sdtui.jobs.preload import PreloadTask
from sdtui.jobs.preloads import Preloads
from sdtui.jobs.prompts import ResolvedPrompts, one_combination
from sdtui.jobs.queue_state import QueueState
from sdtui.jobs.subscribers import Subscribers, envelope_of
from sdtui.jobs.training_task import TrainingTask
from sdtui.jobs.training_tasks import TrainingTasks
from sdtui.jobs.worker import Task, WorkerThread
from sdtui.jobs.worker_status import WorkerStatus, WorkerStatuses
from sdtui.jobs.workers.devices import own_slot
from sdtui.jobs.workers.files import Files
from sdtui.jobs.workers.needs import NO_NEEDS, Needs
from sdtui.jobs.workers.worker import UnsavedPicture, WorkerSlot
from sdtui.requests.events import FLEETING_KINDS, Event, Queued, WorkerLost
from sdtui.requests.grids import Grid
from sdtui.requests.record import ImageRecord
from sdtui.requests.request import GenerationRequest
from sdtui.requests.sections.execution import Execution

Resolve = Callable[[GenerationRequest], ResolvedPrompts]


class JobQueue:
    """A queue with one worker for the device of the settings. Implements the protocol `Jobs`, which
    documents its methods. Thread-safe."""

    def __init__(
        self,
        settings: Settings,
        store: PictureStore,
        make_generator: MakeGenerator = make_generator,
        limit: int | None = None,
        resolve: Resolve = ResolvedPrompts,
        slots: Sequence[WorkerSlot] | None = None,
        needs: Needs = NO_NEEDS,
        groups_models: bool = False,
        name: str = "",
    ) -> None:
        """`limit` is the maximum number of waiting jobs; None = unlimited. `resolve` returns the
        prompts of a request's pictures, by default as written. `slots` are the workers, by default
        one in this process. `needs` says what jobs need if workers differ. With `groups_models` one
        worker too leaves the order of the queue for jobs of the loaded model. `name` is that of the
        queue over restarts."""
        self._resolve = resolve
        self._needs = needs
        self._changed = threading.Condition()
        self._state = QueueState(limit)
        self._subscribers = Subscribers()
        self._workers: list[WorkerThread] = []
        self._dispatcher = Dispatcher(needs.memory, groups_models=groups_models)
        self._status = WorkerStatuses()
        self._ends = JobEnds(
            *(self._state, self._dispatcher, self._status, self._subscribers, store)
        )
        self._preloads = Preloads(self._dispatcher, self._status, self._subscribers)
        self.trainings = TrainingTasks(
            *(self._changed, self._dispatcher, self._status, self._subscribers, name),
            self._open_for_training,
        )
        self._paused = self._closed = False
        if slots is None:
            slots = [own_slot(settings, make_generator)]
        for slot in slots:
            self.add_worker(slot)

    # Requests

    def submit(
        self,
        request: GenerationRequest,
        output: Output | None = None,
        *,
        prompts: ResolvedPrompts | None = None,
        front: bool = False,
        job_id: str | None = None,
        client: str = "",
    ) -> Job:
        resolved = self._resolve(request) if prompts is None else prompts
        job = new_job(resolved, output, job_id=job_id, client=client)
        files = self._needs.prepare(job)
        with self._changed:
            if job_id in self._state.jobs:
                return self._state.jobs[job_id]
            self._check_open()
            if not front:
                self._state.check_capacity()
            self._add(job, files, front=front)
        return job

    def submit_grid(
        self,
        grid: Grid,
        output: Output | None = None,
        *,
        prompts: Sequence[ResolvedPrompts] | None = None,
        client: str = "",
    ) -> list[Job]:
        if prompts is None:
            prompts = [self._resolve(one_combination(cell.request)) for cell in grid.cells]
        jobs = [
            new_job(each, output, place=cell.place, client=client)
            for each, cell in zip(prompts, grid.cells, strict=True)
        ]
        files = list(map(self._needs.prepare, jobs))
        with self._changed:
            self._check_open()
            self._state.check_capacity()
            for job, needed in zip(jobs, files, strict=True):
                self._add(job, needed)
        return jobs

    def sheets(self, grid_id: str, timeout: float | None = None) -> tuple[str, ...]:
        return self._ends.sheets.wait(grid_id, timeout)

    def check_capacity(self) -> None:
        with self._changed:
            self._state.check_capacity()

    def restore(self, jobs: Iterable[Job]) -> None:
        """Append the jobs of another process with their ids, ignoring the limit. If the queue is
        closed by now they wait for the next process."""
        for job in jobs:
            files = self._needs.prepare(job)
            with self._changed:
                if job.id not in self._state.jobs:  # the same job may stand in two files
                    self._add(job, files)

    def _check_open(self) -> None:
        if self._closed:
            raise QueueClosedError("the queue is closed", "Start sdtui again")

    def _add(self, job: Job, files: Files, *, front: bool = False) -> None:
        before = self._state.add(job, front=front)
        self._dispatcher.note_files(job.id, files)
        self._dispatcher.queued(job.id, front=front)
        self._start_workers()
        # Published before a worker can take the job, so that "queued" comes first.
        self._subscribers.publish(envelope_of(job.id, Queued(position=before)))
        self._changed.notify_all()

    def add_worker(self, slot: WorkerSlot) -> None:
        """Let a further worker take jobs."""
        with self._changed:
            self._workers.append(WorkerThread(slot, self))
            self._dispatcher.add(slot)
            self._status.add(slot.name)
            if self._state.jobs or self._preloads.has_waiting or self.trainings.has_waiting:
                self._start_workers()

    def look_again(self) -> None:
        """Note which workers came, went, or have other files now."""
        with self._changed:
            there = self._dispatcher.note_presence()
            for name, event in self._status.presence_changes(there).items():
                envelope = envelope_of("", event, name)
                self._status.apply(envelope, is_preload=False)
                self._subscribers.publish(envelope)
            self._preloads.leave_out_absent()
            for job_id, error in self._dispatcher.refused(self._state).items():
                self._state.waiting.remove(job_id)
                self._ends.give_up(job_id, failed_event(error))
            self._changed.notify_all()

    def _start_workers(self) -> None:
        for worker in self._workers if not self._closed else ():
            worker.start()

    def _open_for_training(self) -> list[str]:
        """Start the workers; return the waiting jobs."""
        self._check_open()
        self._start_workers()
        return self._state.waiting

    def load(
        self,
        model: str,
        execution: Execution = Execution(),  # noqa: B008  # frozen
    ) -> str:
        task = PreloadTask(new_id(), model, execution)
        return self._preload(replace(task, files=self._needs.model(model)))

    def unload(self, workers: Sequence[str] = ()) -> str:
        return self._preload(PreloadTask(new_id(), None, workers=tuple(workers)))

    def _preload(self, task: PreloadTask) -> str:
        with self._changed:
            self._check_open()
            self._start_workers()
            self._changed.notify_all()
            return self._preloads.add(task)

    def cancel(self, job_id: str, *, after_picture: bool = False) -> None:
        with self._changed:
            self._preloads.cancel(job_id)
            outcome = self._state.cancel(job_id, after_picture=after_picture)
            if outcome is not None:
                self._ends.give_up(job_id, outcome.event)
            self._changed.notify_all()

    def cancel_grid(self, grid_id: str) -> None:
        with self._changed:
            # The running one last, so that no other begins meanwhile.
            for job in reversed(self._state.of_grid(grid_id)):
                self.cancel(job.id)

    def move(self, job_id: str, position: int) -> None:
        with self._changed:
            self._state.move(job_id, position)
            if position <= 0 and job_id in self._state.waiting[:1]:
                self._dispatcher.queued(job_id, front=True)
                self._changed.notify_all()

    def pause(self) -> None:
        with self._changed:
            self._paused = True

    def resume(self) -> None:
        with self._changed:
            self._paused = False
            self._changed.notify_all()

    def save_again(self, job_id: str) -> list[str]:
        saved = []
        for file in self._ends.unsaved.save(self.job(job_id)):
            saved.append(str(file.path))
            with self._changed:
                self._state.add_saved(job_id, file)
        return saved

    def unsaved(self, job_id: str) -> tuple[ImageRecord, ...]:
        return self._ends.unsaved.images(job_id)

    def unsaved_picture(self, job_id: str, index: int) -> UnsavedPicture | None:
        """Return a held picture by its index in `unsaved`."""
        return self._ends.unsaved.picture(job_id, index)

    # State

    @property
    def is_paused(self) -> bool:
        return self._paused

    @property
    def has_unsaved(self) -> bool:
        return len(self._ends.unsaved) > 0

    def running(self) -> Mapping[str, str]:
        with self._changed:
            return dict(self._state.running)

    @property
    def workers(self) -> tuple[WorkerStatus, ...]:
        with self._changed:
            return self._status.listed(self._state.running)

    def jobs(self) -> list[Job]:
        with self._changed:
            return self._state.listed()

    def job(self, job_id: str) -> Job:
        with self._changed:
            return self._state.jobs[job_id]

    def wait(self, job_id: str, timeout: float | None = None) -> Job:
        with self._changed:
            self._changed.wait_for(lambda: self._state.jobs[job_id].state.is_over, timeout)
            return self._state.jobs[job_id]

    def subscribe(self, subscriber: Subscriber) -> Callable[[], None]:
        return self._subscribers.add(subscriber)

    # Shutdown

    def finish(self, hanging: Collection[str] = ()) -> None:
        with self._changed:
            self._end(after_picture=True, hanging=hanging)

    def close(self, timeout: float = 2.0) -> bool:
        # A thread that is inside a long step ends with the process: leave that with os._exit.
        with self._changed:
            self._end(after_picture=False)
        ended = [worker.join(timeout) for worker in self._workers]
        self._ends.sheets.close(timeout)
        return all(ended)

    def _end(self, *, after_picture: bool, hanging: Collection[str] = ()) -> None:
        self._closed = True
        self._state.stop_running(after_picture=after_picture, hanging=hanging)
        self._preloads.stop()
        self.trainings.close()
        self._changed.notify_all()

    def resumable(self) -> list[Job]:
        """Return the remaining work as waiting jobs, once the queue is closed."""
        with self._changed:
            return self._state.resumable()

    # Called by the workers, as `TaskSource` documents

    def next_task(self, worker: str) -> Task | None:
        with self._changed:
            self._dispatcher.idle(worker, is_idle=True)
            while not self._closed:
                task = self._take(worker)
                if task is not None:
                    self._dispatcher.idle(worker, is_idle=False)
                    return task
                self._changed.wait(self._dispatcher.seconds_aside(worker))
            return None

    def _take(self, worker: str) -> Task | None:
        """Begin the next task of a worker, if there is one for it."""
        if not self._paused:
            if (training := self.trainings.begin(worker, self._state.waiting)) is not None:
                return training
            job_id = self._dispatcher.job_for(worker, self._state)
            if job_id is not None:
                job = self._state.begin(worker, job_id)
                self._dispatcher.began(worker, job)
                return job
        return self._preloads.begin(worker)

    def saver(self, job_id: str) -> JobSaver:
        with self._changed:
            return self._ends.saver(job_id)

    def cancellation(self, job_id: str) -> Cancellation:
        with self._changed:
            return self._state.cancellations[job_id]

    def report(self, worker: str, task: Task, event: Event) -> None:
        envelope = envelope_of(task.id, event, worker)
        with self._changed:
            if isinstance(task, Job):
                self._state.apply(envelope)
            if event.kind not in FLEETING_KINDS:
                if isinstance(task, Job):
                    self._dispatcher.learn(task, worker, event)
                self._status.apply(envelope, is_preload=not isinstance(task, Job))
        self._subscribers.publish(envelope)

    def job_ended(self, worker: str, job_id: str, outcome: JobOutcome) -> None:
        with self._changed:
            self._dispatcher.learn(self._state.jobs[job_id], worker, outcome.event)
            self._ends.finish(job_id, outcome, worker)
            self._changed.notify_all()

    def worker_lost(
        self, worker: str, task: Task, error: WorkerLostError, *, has_begun: bool
    ) -> None:
        """Let another worker make the missing pictures of a job. A job that has lost two workers
        fails, since it may be the cause."""
        lost = envelope_of(task.id, WorkerLost(error=error.what), worker)
        with self._changed:
            self._dispatcher.lost(worker, is_failure=error.is_failure)
            counts = has_begun and error.is_failure  # else the job can't be the cause
            if isinstance(task, PreloadTask):
                self._preloads.end(worker, task, failed_event(error))
            elif isinstance(task, TrainingTask):
                self.trainings.give_back(worker, task)
            elif (event := self._state.end_by_loss(task.id, counts=counts)) is not None:
                self._ends.give_up(task.id, event, worker)
            else:
                self._state.give_back(task.id, counts=counts)
                self._dispatcher.queued(task.id, front=True)
                self._subscribers.publish(lost)
            self._status.apply(lost, is_preload=not isinstance(task, Job))
            self._changed.notify_all()

    def task_ended(self, worker: str, task: PreloadTask | TrainingTask, event: Event) -> None:
        with self._changed:
            if isinstance(task, PreloadTask):
                self._preloads.end(worker, task, event)
            else:
                self.trainings.end(worker, task, event)
            self._changed.notify_all()
