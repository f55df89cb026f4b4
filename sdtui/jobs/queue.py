"""JobQueue: the jobs of one process and the workers that run them."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence

from sdtui.core.cancellation import Cancellation
from sdtui.core.enums import DType, MemoryMode, Quantize
from sdtui.core.errors import QueueClosedError
from sdtui.core.settings import Settings
from sdtui.jobs.api import Subscriber
from sdtui.jobs.execution import JobOutcome, PictureStore, UnsavedPicture
from sdtui.jobs.generator import MakeGenerator, make_generator
from sdtui.jobs.grid_sheets import GridSheets
from sdtui.jobs.job import Job, Output
from sdtui.jobs.preload import Preloader, PreloadTask
from sdtui.jobs.prompts import ResolvedPrompts, one_combination
from sdtui.jobs.queue_state import QueueState
from sdtui.jobs.subscribers import Subscribers, envelope_of
from sdtui.jobs.unsaved import UnsavedPictures
from sdtui.jobs.worker import Task, Worker
from sdtui.requests.events import Event, Queued, Superseded
from sdtui.requests.grids import Grid, GridPlace
from sdtui.requests.record import ImageRecord
from sdtui.requests.request import GenerationRequest

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
    ) -> None:
        """`limit` is the maximum number of waiting jobs; None = unlimited. `resolve` returns the
        prompts of a request's pictures, by default as they are written."""
        self._resolve = resolve
        self._changed = threading.Condition()
        self._state = QueueState(limit)
        self._preloader = Preloader()
        self._unsaved = UnsavedPictures(store)
        self._subscribers = Subscribers()
        self._sheets = GridSheets(store, self._report_sheet)
        self._workers = (Worker(settings.device, settings, store, make_generator, self),)
        self._paused = False
        self._closed = False

    # Requests

    def submit(
        self,
        request: GenerationRequest,
        output: Output | None = None,
        *,
        prompts: ResolvedPrompts | None = None,
        front: bool = False,
        job_id: str | None = None,
    ) -> Job:
        resolved = self._resolve(request) if prompts is None else prompts
        with self._changed:
            if job_id in self._state.jobs:
                return self._state.jobs[job_id]
            self._check_open()
            if not front:
                self._state.check_capacity()
            job = _new_job(resolved, output, job_id=job_id)
            self._add(job, front=front)
        return job

    def submit_grid(
        self,
        grid: Grid,
        output: Output | None = None,
        *,
        prompts: Sequence[ResolvedPrompts] | None = None,
    ) -> list[Job]:
        if prompts is None:
            prompts = [self._resolve(one_combination(cell.request)) for cell in grid.cells]
        jobs = [
            _new_job(each, output, place=cell.place)
            for each, cell in zip(prompts, grid.cells, strict=True)
        ]
        with self._changed:
            self._check_open()
            self._state.check_capacity()
            for job in jobs:
                self._add(job)
        return jobs

    def sheets(self, grid_id: str, timeout: float | None = None) -> tuple[str, ...]:
        return self._sheets.wait(grid_id, timeout)

    def check_capacity(self) -> None:
        with self._changed:
            self._state.check_capacity()

    def restore(self, jobs: Iterable[Job]) -> None:
        """Append the jobs of another process with their ids, ignoring the limit. If the queue is
        closed by now they wait for the next process."""
        with self._changed:
            for job in jobs:
                if job.id not in self._state.jobs:  # the same job may stand in two files
                    self._add(job)

    def _check_open(self) -> None:
        if self._closed:
            raise QueueClosedError("the queue is closed", "Start sdtui again")

    def _add(self, job: Job, *, front: bool = False) -> None:
        before = self._state.add(job, front=front)
        self._start_workers()
        # Published before a worker can take the job, so that "queued" comes first.
        self._subscribers.publish(envelope_of(job.id, Queued(position=before)))
        self._changed.notify_all()

    def _start_workers(self) -> None:
        for worker in self._workers if not self._closed else ():
            worker.start()

    def load(
        self,
        model: str,
        dtype: DType = DType.AUTO,
        memory_mode: MemoryMode = MemoryMode.AUTO,
        quantize: Quantize = Quantize.NONE,
    ) -> str:
        return self._preload(PreloadTask(_new_id(), model, dtype, memory_mode, quantize))

    def unload(self) -> str:
        return self._preload(PreloadTask(_new_id(), None))

    def _preload(self, task: PreloadTask) -> str:
        with self._changed:
            self._check_open()
            if (same := self._preloader.find_same(task)) is not None:
                return same.id
            self._stop_preloads()
            self._preloader.waiting = task
            self._start_workers()
            self._changed.notify_all()
        return task.id

    def _stop_preloads(self) -> None:
        dropped = self._preloader.stop()
        if dropped is not None:
            self._subscribers.publish(envelope_of(dropped.id, Superseded()))

    def cancel(self, job_id: str, *, after_picture: bool = False) -> None:
        with self._changed:
            self._preloader.cancel(job_id)
            outcome = self._state.cancel(job_id, after_picture=after_picture)
            if outcome is not None:
                self._finish(job_id, outcome)
            self._changed.notify_all()

    def cancel_grid(self, grid_id: str) -> None:
        with self._changed:
            # The running one last, so that no other begins meanwhile.
            for job in reversed(self._state.of_grid(grid_id)):
                self.cancel(job.id)

    def move(self, job_id: str, position: int) -> None:
        with self._changed:
            self._state.move(job_id, position)

    def pause(self) -> None:
        with self._changed:
            self._paused = True

    def resume(self) -> None:
        with self._changed:
            self._paused = False
            self._changed.notify_all()

    def save_again(self, job_id: str) -> list[str]:
        saved = []
        for file in self._unsaved.save(self.job(job_id)):
            saved.append(str(file.path))
            with self._changed:
                self._state.add_saved(job_id, file)
        return saved

    def unsaved(self, job_id: str) -> tuple[ImageRecord, ...]:
        return tuple(
            each.record.of_image(each.index).images[0] for each in self._unsaved.of_job(job_id)
        )

    def unsaved_picture(self, job_id: str, index: int) -> UnsavedPicture | None:
        """Return a held picture by its index in `unsaved`."""
        held = self._unsaved.of_job(job_id)
        return held[index] if 0 <= index < len(held) else None

    # State

    @property
    def is_paused(self) -> bool:
        return self._paused

    @property
    def has_unsaved(self) -> bool:
        return len(self._unsaved) > 0

    def running(self) -> Mapping[str, str]:
        with self._changed:
            return dict(self._state.running)

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

    def finish(self) -> None:
        with self._changed:
            self._end(after_picture=True)

    def close(self, timeout: float = 2.0) -> bool:
        # A worker that has not ended is inside a long step. As a daemon thread it ends with the
        # process (leave with os._exit then: torch can't be unloaded while it runs).
        with self._changed:
            self._end(after_picture=False)
        ended = [worker.join(timeout) for worker in self._workers]
        self._sheets.close(timeout)
        return all(ended)

    def _end(self, *, after_picture: bool) -> None:
        self._closed = True
        self._state.stop_running(after_picture=after_picture)
        self._stop_preloads()
        self._changed.notify_all()

    def resumable(self) -> list[Job]:
        """Return the remaining work as waiting jobs, once the queue is closed."""
        with self._changed:
            return self._state.resumable()

    # Called by the workers

    def next_task(self, worker: str) -> Task | None:
        """Wait for a task: jobs take precedence over preloads."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._closed or self._has_job or self._preloader.waiting is not None
            )
            if self._closed:
                return None
            return self._state.take(worker) if self._has_job else self._preloader.start_next()

    @property
    def _has_job(self) -> bool:
        return bool(self._state.waiting) and not self._paused

    def cancellation(self, job_id: str) -> Cancellation:
        """Return the flags that stop a job."""
        with self._changed:
            return self._state.cancellations[job_id]

    def report(self, worker: str, task: Task, event: Event) -> None:
        """Publish an event of a running task."""
        envelope = envelope_of(task.id, event, worker)
        if isinstance(task, Job):
            with self._changed:
                self._state.apply(envelope)
        self._subscribers.publish(envelope)

    def job_ended(self, worker: str, job_id: str, outcome: JobOutcome) -> None:
        """Publish the outcome of a job."""
        with self._changed:
            if outcome.unsaved:
                self._unsaved.hold(job_id, outcome.unsaved)
            self._finish(job_id, outcome, worker)
            self._changed.notify_all()

    def _finish(self, job_id: str, outcome: JobOutcome, worker: str = "") -> None:
        for old in self._state.finish(job_id, outcome):
            self._unsaved.forget(old)
        job = self._state.jobs[job_id]
        if job.grid is not None:
            is_last = self._state.is_grid_over(job.grid.grid.id)
            self._sheets.job_ended(job, is_last=is_last)
        self._subscribers.publish(envelope_of(job_id, outcome.event, worker))

    def _report_sheet(self, grid_id: str, event: Event) -> None:
        self._subscribers.publish(envelope_of(grid_id, event))

    def preload_ended(self, worker: str, task: PreloadTask, event: Event) -> None:
        """Publish the last event of a preload."""
        with self._changed:
            self._preloader.finish()
            self._subscribers.publish(envelope_of(task.id, event, worker))


def _new_job(
    resolved: ResolvedPrompts,
    output: Output | None,
    *,
    job_id: str | None = None,
    place: GridPlace | None = None,
) -> Job:
    return Job(
        id=job_id or _new_id(),
        request=resolved.request,
        prompts=resolved.prompts,
        notices=resolved.notices,
        output=output or Output(),
        grid=place,
    )


def _new_id() -> str:
    return secrets.token_hex(6)
