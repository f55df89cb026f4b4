"""JobQueue: one queue and its one worker thread. Every picture goes through here.

One pipeline can't be used by two threads, and two on one GPU are one key press away; so there is
one worker, as long-lived as the process, and it alone imports the engine.
"""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from sdtui.core.cancellation import Cancellation
from sdtui.core.enums import DType, MemoryMode
from sdtui.core.errors import CancelledError, QueueClosedError, QueueFullError, SdtuiError
from sdtui.core.job_state import JobState
from sdtui.core.settings import Settings
from sdtui.jobs.job import Job, Output
from sdtui.jobs.preload import Preloader, PreloadTask
from sdtui.jobs.progress import JobProgress
from sdtui.jobs.subscribers import Subscriber, Subscribers, envelope_of
from sdtui.jobs.unsaved import UnsavedPictures
from sdtui.jobs.worker import (
    JobOutcome,
    MakeGenerator,
    PictureStore,
    carry_out,
    failed_event,
    finished_job,
    make_generator,
)
from sdtui.requests.events import Cancelled, EngineStarting, Event, Failed, Queued, Unloaded
from sdtui.requests.request import GenerationRequest

if TYPE_CHECKING:
    from sdtui.engine.generator import RobustStableDiffusionGenerator

_log = logging.getLogger(__name__)
_REMEMBERED = 200
"""Finished jobs that `jobs` still lists."""


class JobQueue:
    """See the module's text. All methods may be called from any thread."""

    def __init__(
        self,
        settings: Settings,
        store: PictureStore,
        make_generator: MakeGenerator = make_generator,
        limit: int | None = None,
    ) -> None:
        """`limit` is how many jobs may wait; none = as many as there are."""
        self._settings = settings
        self._store = store
        self._make_generator = make_generator
        self._limit = limit
        self._changed = threading.Condition()
        self._jobs: dict[str, Job] = {}
        self._waiting: list[str] = []
        self._running: str | None = None
        self._cancellations: dict[str, Cancellation] = {}
        self._unsaved = UnsavedPictures(store)
        self._subscribers = Subscribers()
        self._loading = Preloader()
        self._paused = False
        self._closed = False
        self._thread: threading.Thread | None = None

    # Asking

    def submit(
        self, request: GenerationRequest, output: Output | None = None, *, front: bool = False
    ) -> Job:
        """Put a request at the end of the queue, or `front` of those that wait and whatever the
        limit: for one that goes on where another was stopped.

        Raises QueueFullError or QueueClosedError.
        """
        job = Job(id=secrets.token_hex(6), request=request, output=output or Output())
        with self._changed:
            self._check_open()
            if not front:
                self.check_capacity()
            self._add(job, 0 if front else len(self._waiting))
        return job

    def check_capacity(self) -> None:
        """Raises QueueFullError if as many jobs wait as may."""
        waiting = len(self._waiting)
        if self._limit is not None and waiting >= self._limit:
            raise QueueFullError(
                f"the queue is full: {waiting} jobs are waiting", "Try again later"
            )

    def restore(self, jobs: Iterable[Job]) -> None:
        """Put jobs that another process left behind at the end of the queue, under their ids and
        whatever the limit. In a queue that is closed by now they wait for the next process."""
        with self._changed:
            for job in jobs:
                if job.id not in self._jobs:  # a file was copied, and its first one not deleted
                    self._add(job, len(self._waiting))

    def _check_open(self) -> None:
        if self._closed:
            raise QueueClosedError("the queue is closed", "Start sdtui again")

    def _add(self, job: Job, position: int) -> None:
        self._jobs[job.id] = job
        self._cancellations[job.id] = Cancellation()
        self._waiting.insert(position, job.id)
        self._start_worker()
        # Told before the worker can take it up, so that "queued" comes first.
        before = position + (self._running is not None)
        self._subscribers.publish(envelope_of(job.id, Queued(position=before)))
        self._changed.notify_all()

    def load(
        self,
        model: str,
        dtype: DType = DType.AUTO,
        memory_mode: MemoryMode = MemoryMode.AUTO,
    ) -> PreloadTask:
        """Have a model ready before a job needs it, once nothing else is to be done; by its id it
        is told of, and can be cancelled. The latest wish counts. Raises QueueClosedError."""
        return self._want(PreloadTask(secrets.token_hex(6), model, dtype, memory_mode))

    def unload(self) -> PreloadTask:
        """Let the model go, once nothing else is to be done; a job reads it again. Counts as a
        wish, as `load` does. Raises QueueClosedError."""
        return self._want(PreloadTask(secrets.token_hex(6), None))

    def _want(self, load: PreloadTask) -> PreloadTask:
        with self._changed:
            self._check_open()
            wanted = self._loading.want(load)
            self._start_worker()
            self._changed.notify_all()
        return wanted

    def cancel(self, job_id: str, *, after_picture: bool = False) -> None:
        """Cancel a job: at once, or (a running one) after the picture that is being made. Does
        nothing to a job that is over."""
        with self._changed:
            job = self._jobs.get(job_id)
            self._loading.cancel(job_id)
            if job is None or job.state.is_over:
                return
            self._replace(job_id, is_cancelled=True)
            if job_id in self._waiting:
                self._waiting.remove(job_id)
                self._end(job_id, JobOutcome(Cancelled()))
            elif after_picture:
                self._cancellations[job_id].stop_after_picture()
            else:
                self._cancellations[job_id].stop_now()
                self._replace(job_id, state=JobState.CANCELLING)
            self._changed.notify_all()

    def move(self, job_id: str, position: int) -> None:
        """Put a waiting job at `position` among the waiting ones, 0 being next."""
        with self._changed:
            if job_id in self._waiting:
                self._waiting.remove(job_id)
                self._waiting.insert(max(0, position), job_id)

    def pause(self) -> None:
        """Begin no more jobs until `resume`. The running one goes on."""
        with self._changed:
            self._paused = True

    def resume(self) -> None:
        """Go on after `pause`."""
        with self._changed:
            self._paused = False
            self._changed.notify_all()

    @property
    def is_paused(self) -> bool:
        """Whether waiting jobs are held back."""
        return self._paused

    @property
    def has_unsaved(self) -> bool:
        """Whether pictures that could not be written are held in memory."""
        return len(self._unsaved) > 0

    def save_again(self, job_id: str) -> list[str]:
        """Try again to save the pictures of a job that could not be written; returns their paths.
        Raises OutputError, and still holds them then."""
        saved = []
        for path in self._unsaved.save(self.job(job_id)):
            saved.append(path)
            with self._changed:
                self._replace(job_id, pictures=(*self._jobs[job_id].pictures, path))
        return saved

    # Looking

    def jobs(self) -> list[Job]:
        """The running job, the waiting ones in their order, then those that are over, the last to
        end first."""
        with self._changed:
            first = [self._running] if self._running else []
            order = first + self._waiting
            finished_job = [job.id for job in self._jobs.values() if job.state.is_over]
            return [self._jobs[job_id] for job_id in order + finished_job[::-1]]

    def job(self, job_id: str) -> Job:
        """One job as it stands. Raises KeyError."""
        with self._changed:
            return self._jobs[job_id]

    def wait(self, job_id: str, timeout: float | None = None) -> Job:
        """Wait until a job is over, at most `timeout` seconds; returns it as it then stands. Raises
        KeyError if it isn't known (any more)."""
        with self._changed:
            self._changed.wait_for(lambda: self._jobs[job_id].state.is_over, timeout)
            return self._jobs[job_id]

    def subscribe(self, subscriber: Subscriber) -> Callable[[], None]:
        """Have every event handed to `subscriber`, mostly on the worker's thread: it must be
        quick, and must not call the queue. Returns what ends the subscription."""
        return self._subscribers.add(subscriber)

    def finish(self) -> None:
        """Take no more jobs and begin none of those that wait; the running one ends after the
        picture that is being made. Doesn't wait: `close` does."""
        with self._changed:
            self._closed = True
            if self._running:
                self._cancellations[self._running].stop_after_picture()
            self._loading.stop()
            self._changed.notify_all()

    def close(self, timeout: float = 2.0) -> bool:
        """Stop the running job, begin no other, and wait at most `timeout` seconds for the worker.

        Returns whether it has ended. If not, it is inside a long step; being a daemon thread it
        ends with the process (leave with os._exit then: torch can't be unloaded under it).
        """
        with self._changed:
            self._closed = True
            if self._running:
                self._cancellations[self._running].stop_now()
            self._loading.stop()
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(timeout)
        return self._thread is None or not self._thread.is_alive()

    # Working

    def _start_worker(self) -> None:
        if self._thread is None and not self._closed:
            self._thread = threading.Thread(target=self._work, name="sdtui-worker", daemon=True)
            self._thread.start()

    def _work(self) -> None:
        generator: RobustStableDiffusionGenerator | None = None
        while (task := self._next()) is not None:
            outcome: JobOutcome | None = None
            try:
                if generator is None:
                    self._subscribers.publish(envelope_of(task.id, EngineStarting()))
                    generator = self._make_generator(self._settings)
                outcome = self._carry_out(task, generator)
            except CancelledError:
                outcome = JobOutcome(Cancelled())
            except SdtuiError as error:
                outcome = JobOutcome(failed_event(error))
            except Exception as error:  # noqa: BLE001 - the worker must outlive any one job
                _log.exception("job %s failed", task.id)
                text = f"{type(error).__name__}: {str(error)[:300]}"
                outcome = JobOutcome(Failed(error=text, hint="The log has the whole story"))
            if isinstance(task, PreloadTask):
                self._settle_load(task, outcome)
            elif outcome is not None:
                self._settle(task.id, outcome)
        if generator is not None:
            generator.engine.cleanup()

    def _carry_out(
        self, task: Job | PreloadTask, generator: RobustStableDiffusionGenerator
    ) -> JobOutcome | None:
        """Do a job, or load a model: that has no outcome beyond its events."""

        progress = JobProgress(task.id)

        def report(event: Event) -> None:
            nonlocal progress
            envelope = envelope_of(task.id, event)
            progress = progress.apply(envelope)
            if isinstance(task, Job):
                with self._changed:
                    self._jobs[task.id] = self._jobs[task.id].with_progress(progress)
            self._subscribers.publish(envelope)

        if isinstance(task, Job):
            return carry_out(task, generator, self._store, report, self._cancellations[task.id])
        if task.model is None:
            generator.engine.unload()
            report(Unloaded())
            return None
        generator.engine.load(
            task.model,
            task.dtype,
            task.memory_mode,
            report=report,
            cancellation=task.cancellation,
        )
        return None

    def _next(self) -> Job | PreloadTask | None:
        """What is to be done next: jobs go before models that are only wanted."""
        with self._changed:
            self._changed.wait_for(
                lambda: (
                    self._closed
                    or (self._waiting and not self._paused)
                    or self._loading.wanted is not None
                )
            )
            if self._closed:
                return None
            if not self._waiting or self._paused:
                return self._loading.begin()
            self._running = self._waiting.pop(0)
            return self._replace(self._running, state=JobState.RUNNING)

    def _settle_load(self, load: PreloadTask, outcome: JobOutcome | None) -> None:
        final_event = outcome.event if outcome is not None else None
        if isinstance(final_event, Failed):
            _log.warning("model %s can't be loaded: %s", load.model, final_event.error)
        with self._changed:
            if final_event is not None:
                self._subscribers.publish(envelope_of(load.id, final_event))
            self._loading.end(final_event)

    def _settle(self, job_id: str, outcome: JobOutcome) -> None:
        with self._changed:
            self._running = None
            if outcome.unsaved:
                self._unsaved.hold(job_id, outcome.unsaved)
            self._end(job_id, outcome)
            self._changed.notify_all()

    def _end(self, job_id: str, outcome: JobOutcome) -> None:
        self._cancellations.pop(job_id)
        # Behind those that ended before it: it is forgotten after them.
        self._jobs[job_id] = finished_job(self._jobs.pop(job_id), outcome)
        self._forget_old()
        self._subscribers.publish(envelope_of(job_id, outcome.event))

    def _forget_old(self) -> None:
        finished = [job.id for job in self._jobs.values() if job.state.is_over]
        for old in finished[:-_REMEMBERED]:
            self._jobs.pop(old)
            self._unsaved.forget(old)

    def _replace(self, job_id: str, **changes: object) -> Job:
        job = self._jobs[job_id].model_copy(update=changes)
        self._jobs[job_id] = job
        return job
