"""The thread of a device: lets its worker run one task after another."""

from __future__ import annotations

import logging
import threading
import traceback
from functools import partial
from typing import Protocol

from sdtui.core.cancellation import Cancellation
from sdtui.core.errors import CancelledError, DeviceLostError, SdtuiError, WorkerLostError
from sdtui.jobs.execution import JobOutcome, JobSaver, carry_out, failed_event
from sdtui.jobs.job import Job
from sdtui.jobs.preload import PreloadTask
from sdtui.jobs.training_task import TrainingTask
from sdtui.jobs.workers.worker import WorkerSlot
from sdtui.requests.events import (
    Cancelled,
    Event,
    Failed,
    ModelReady,
    Training,
    Unloaded,
    training_event,
)

_log = logging.getLogger(__name__)

Task = Job | PreloadTask | TrainingTask


class TaskSource(Protocol):
    """Provides a worker's tasks and receives their events. Called on the worker's thread."""

    def next_task(self, worker: str) -> Task | None:
        """Wait for a task; returns None if there will be no more."""
        ...

    def cancellation(self, job_id: str) -> Cancellation:
        """Return the flags that stop a job."""
        ...

    def saver(self, job_id: str) -> JobSaver:
        """Return what saves the pictures of a job, the same for all its attempts."""
        ...

    def report(self, worker: str, task: Task, event: Event) -> None:
        """Receive an event of a running task."""
        ...

    def job_ended(self, worker: str, job_id: str, outcome: JobOutcome) -> None:
        """Receive the outcome of a job."""
        ...

    def task_ended(self, worker: str, task: PreloadTask | TrainingTask, event: Event) -> None:
        """Receive the last event of a preload or training."""
        ...

    def worker_lost(
        self, worker: str, task: Task, error: WorkerLostError, *, has_begun: bool
    ) -> None:
        """Take a task back whose worker was lost. `has_begun` is False if that couldn't start."""
        ...

    def finish(self) -> None:
        """Take no more tasks. Called if the device is lost; what waits is kept."""
        ...


class WorkerThread:
    """Lets a worker run one task after another, for the lifetime of the process. A pipeline isn't
    thread-safe, so a device has one worker, and only the worker imports the engine."""

    def __init__(self, slot: WorkerSlot, tasks: TaskSource) -> None:
        self.name = slot.name
        self._worker = slot.worker
        self._training_environment = slot.training_environment
        self._tasks = tasks
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread, unless it is running."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="sdtui-worker", daemon=True)
            self._thread.start()

    def join(self, timeout: float) -> bool:
        """Wait at most `timeout` seconds for the thread; return True if it has ended."""
        if self._thread is None:
            return True
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _work(self) -> None:
        while (task := self._tasks.next_task(self.name)) is not None:
            has_begun = False
            try:
                if _needs_engine(task):
                    self._worker.start(partial(self._tasks.report, self.name, task))
                has_begun = True
                if isinstance(task, Job):
                    outcome = self._run_job(task)
                else:
                    self._tasks.task_ended(self.name, task, self._run_other(task))
                    continue
            except CancelledError:
                outcome = JobOutcome(Cancelled())
            except WorkerLostError as error:
                _log.warning("worker %s is lost: %s", self.name, error)
                self._worker.close()
                self._tasks.worker_lost(self.name, task, error, has_begun=has_begun)
                continue
            except SdtuiError as error:
                _log.info("task %s failed", task.id, exc_info=error)
                outcome = JobOutcome(failed_event(error))
            # A SystemExit too: in a thread it ends nothing but the worker.
            except BaseException as error:  # noqa: BLE001 - the worker must outlive any one task
                _log.exception("job %s failed", task.id)
                text = traceback.format_exception_only(error)[-1].strip()[:300]
                if not self._worker.device_works():
                    self._end(task, JobOutcome(failed_event(_lost(text))))
                    self._tasks.finish()
                    return  # nothing can be freed on a lost device
                outcome = JobOutcome(Failed(error=text, hint="The log has the traceback"))
            self._end(task, outcome)
        self._worker.close()

    def _run_job(self, job: Job) -> JobOutcome:
        return carry_out(
            self._tasks.saver(job.id),
            self._worker,
            partial(self._tasks.report, self.name, job),
            self._tasks.cancellation(job.id),
        )

    def _run_other(self, task: PreloadTask | TrainingTask) -> Event:
        return self._preload(task) if isinstance(task, PreloadTask) else self._train(task)

    def _preload(self, task: PreloadTask) -> Event:
        if task.model is None:
            self._worker.unload()
            return Unloaded()
        self._worker.load(task, partial(self._tasks.report, self.name, task))
        return ModelReady(model=task.model)

    def _train(self, task: TrainingTask) -> Event:
        """Free the device and let a training's process use it; return its last event."""
        report = partial(self._tasks.report, self.name, task)
        self._worker.unload()
        report(Unloaded())
        environment = self._training_environment
        assert environment is not None
        end = task.run(environment, lambda event: report(training_event(task.name, event)))
        return Training(name=task.name, event=end)

    def _end(self, task: Task, outcome: JobOutcome) -> None:
        if isinstance(task, Job):
            self._tasks.job_ended(self.name, task.id, outcome)
            return
        if isinstance(outcome.event, Failed):
            what = f"model {task.model}" if isinstance(task, PreloadTask) else "a training"
            _log.warning("%s can't be loaded: %s", what, outcome.event.error)
        self._tasks.task_ended(self.name, task, outcome.event)


def _needs_engine(task: Task) -> bool:
    return isinstance(task, Job) or (isinstance(task, PreloadTask) and task.model is not None)


def _lost(text: str) -> DeviceLostError:
    _log.error("the device is lost: this process can't use it any more")
    return DeviceLostError(
        f"the GPU failed, and this process can't use it any more ({text.splitlines()[0]})",
        "Start sdtui again: what waits in the queue is kept",
    )
