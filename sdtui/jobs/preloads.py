"""The running preload and the waiting one; a new one replaces both."""

from __future__ import annotations

from sdtui.jobs.dispatcher import Dispatcher, loaded_key
from sdtui.jobs.execution import failed_event
from sdtui.jobs.preload import PreloadTask
from sdtui.jobs.subscribers import Subscribers, envelope_of
from sdtui.jobs.worker_status import WorkerStatuses
from sdtui.requests.events import Event, Superseded, Unloaded


class Preloads:
    """Lets one worker load a model, and all or some unload theirs. Used by `JobQueue` with its lock
    held."""

    def __init__(
        self, dispatcher: Dispatcher, status: WorkerStatuses, subscribers: Subscribers
    ) -> None:
        self._dispatcher = dispatcher
        self._status = status
        self._subscribers = subscribers
        self._waiting: PreloadTask | None = None
        self._running: PreloadTask | None = None
        self._to_begin: set[str] = set()
        """Workers that have to begin the waiting one, if it unloads."""
        self._begun: dict[str, PreloadTask] = {}
        """What workers carry out."""

    @property
    def has_waiting(self) -> bool:
        """True if a worker should begin one."""
        return self._waiting is not None

    def add(self, task: PreloadTask) -> str:
        """Let a task wait; return its id, or that of the newest preload if it has the same
        target."""
        latest = self._waiting or self._running
        if latest is not None and latest.is_same_target(task):
            return latest.id
        self.stop()
        self._to_begin = set()
        if task.model is None:
            there = (each for each in self._dispatcher.available() if not self._status.trains(each))
            self._to_begin = {each for each in there if not task.workers or each in task.workers}
        error = self._dispatcher.missing_error(task.files)
        if error is not None:
            self._publish(task, failed_event(error))
        elif task.model is None and not self._to_begin:
            self._publish(task, Unloaded())
        else:
            self._waiting = task
        return task.id

    def begin(self, worker: str) -> PreloadTask | None:
        """Start the waiting preload on a worker, if it should begin that."""
        task = self._waiting
        if task is None or not self._dispatcher.can_use(worker, task.files):
            return None
        if task.model is None and worker not in self._to_begin:
            return None
        self._running = self._begun[worker] = task
        self._to_begin.discard(worker)
        if not self._to_begin:
            self._waiting = None
        key = None if task.model is None else loaded_key(task.model, task.execution)
        self._dispatcher.loads(worker, key)
        return task

    def end(self, worker: str, task: PreloadTask, event: Event) -> None:
        """Note that a worker has ended a task, and report the event if all have."""
        self._status.apply(envelope_of(task.id, event, worker), is_preload=True)
        self._begun.pop(worker, None)
        self._report_end(worker, task, event)

    def leave_out_absent(self) -> None:
        """Let workers that are away unload nothing."""
        self._to_begin.intersection_update(self._dispatcher.available())
        task = self._waiting
        if task is not None and task.model is None and not self._to_begin:
            self._waiting = None
            self._report_end("", task, Unloaded())

    def _report_end(self, worker: str, task: PreloadTask, event: Event) -> None:
        if task is self._waiting or any(each is task for each in self._begun.values()):
            return
        if task is self._running:
            self._running = None
        self._publish(task, event, worker)

    def cancel(self, task_id: str) -> None:
        """Cancel the running preload if it has this id."""
        if self._running is not None and self._running.id == task_id:
            self._running.cancellation.stop_now()

    def stop(self) -> None:
        """Cancel the running preload, and drop the waiting one."""
        dropped, self._waiting = self._waiting, None
        if self._running is not None:
            self._running.cancellation.stop_now()
        if dropped is not None and dropped is not self._running:  # which some workers carry out
            self._publish(dropped, Superseded())

    def _publish(self, task: PreloadTask, event: Event, worker: str = "") -> None:
        self._subscribers.publish(envelope_of(task.id, event, worker))
