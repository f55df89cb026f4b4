"""The trainings of a queue: one runs, others wait."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable

from sdtui.core.errors import TrainingConflictError, TrainingError
from sdtui.jobs.dispatcher import Dispatcher
from sdtui.jobs.job import new_id
from sdtui.jobs.subscribers import Subscribers, envelope_of
from sdtui.jobs.training_marks import TrainingMarks
from sdtui.jobs.training_task import TrainingTask
from sdtui.jobs.worker_status import WorkerStatuses
from sdtui.requests.events import Event, Failed, Training
from sdtui.requests.training.events import Paused, Queued, TrainingEvent, TrainingFailed
from sdtui.requests.training.status import TrainingCondition
from sdtui.training.folder import TrainingFolder

_log = logging.getLogger(__name__)


class TrainingTasks:
    """Lets one worker at a time train, once the jobs are begun that waited before it; jobs that
    come later wait for that worker, and other workers go on with theirs. Thread-safe."""

    def __init__(
        self,
        changed: threading.Condition,
        dispatcher: Dispatcher,
        status: WorkerStatuses,
        subscribers: Subscribers,
        queue_name: str,
        open_queue: Callable[[], Iterable[str]],
    ) -> None:
        """`changed` is the queue's lock, `queue_name` its name over restarts. `open_queue` starts
        the workers and returns the ids of the waiting jobs; it raises QueueClosedError."""
        self._changed = changed
        self._dispatcher = dispatcher
        self._status = status
        self._subscribers = subscribers
        self._open_queue = open_queue
        self._marks = TrainingMarks(queue_name)
        self._waiting: list[TrainingTask] = []
        self._running: TrainingTask | None = None
        self._is_closed = False

    def check(self) -> None:
        """Raise TrainingError if no worker can train, and QueueClosedError."""
        with self._changed:
            self._open_queue()
            if not self._dispatcher.can_train():
                raise TrainingError(
                    "no worker here can train", "Train on a machine that makes pictures itself"
                )

    def add(self, folder: TrainingFolder) -> str:
        """Queue a training; return its task's id. Raises TrainingError and QueueClosedError."""
        with self._changed:
            self.check()
            if self.condition(folder.path.name) is not None:
                raise TrainingConflictError(f"the training {folder.path.name} is queued already")
            self._marks.add(folder)
            task = TrainingTask(new_id(), folder, frozenset(self._open_queue()))
            self._waiting.append(task)
            self._publish(task, Queued())
            self._changed.notify_all()
        return task.id

    def condition(self, name: str) -> TrainingCondition | None:
        """Return whether a training is queued or running here; None if it is neither."""
        with self._changed:
            if self._running is not None and self._running.name == name:
                return TrainingCondition.RUNNING
            is_waiting = any(each.name == name for each in self._waiting)
            return TrainingCondition.QUEUED if is_waiting else None

    def send(self, name: str, command: str) -> bool:
        """Send "pause" or "stop" to the running training; return False if it isn't this one.
        Raises TrainingError."""
        with self._changed:
            task = self._running
            if task is None or task.name != name:
                return False
            task.send(command)
            self._marks.remove(task.folder)
            return True

    def take_out(self, name: str, event: TrainingEvent) -> bool:
        """Take a waiting training out of the queue, and note and report the event that says why;
        return False if it doesn't wait. Raises OSError."""
        with self._changed:
            task = next((each for each in self._waiting if each.name == name), None)
            if task is None:
                return False
            self._waiting.remove(task)
            self._marks.remove(task.folder)
            task.folder.add_event(event)
            self._publish(task, event)
            return True

    def take_over(self, folders: Iterable[TrainingFolder]) -> list[TrainingFolder]:
        """Return those that were queued or running when the last process with this queue ended, in
        the order in which they were queued. From now on, those of this process are left to the
        next one."""
        with self._changed:
            self._marks.is_kept = True
            return self._marks.left(folders)

    def forget(self, folder: TrainingFolder) -> None:
        """Let a training belong to no queue."""
        with self._changed:
            self._marks.remove(folder)

    # Called by the queue, with its lock held

    @property
    def has_waiting(self) -> bool:
        """True if a worker should begin one."""
        return bool(self._waiting)

    def begin(self, worker: str, waiting_jobs: Iterable[str]) -> TrainingTask | None:
        """Start the first waiting training on a worker, if it should begin that now."""
        if self._running is not None or not self._waiting:
            return None
        task = self._waiting[0]
        if not task.jobs_before.isdisjoint(waiting_jobs) or not self._dispatcher.may_train(worker):
            return None
        self._running = self._waiting.pop(0)
        self._dispatcher.loads(worker, None)
        self._status.train(worker, task.name)
        return task

    def give_back(self, worker: str, task: TrainingTask) -> None:
        """Let a training wait again whose worker was lost before it began."""
        self._running = None
        self._status.train(worker, "")
        self._waiting.insert(0, task)
        self._publish(task, Queued())

    def end(self, worker: str, task: TrainingTask, event: Event) -> None:
        """Report the last event of a training."""
        if isinstance(event, Failed):  # before its process could say so
            failed = TrainingFailed(error=str(event), error_type=event.error_type)
            task.folder.note(failed)
            event = Training(name=task.name, event=failed)
        self._running = None
        self._status.train(worker, "")
        is_paused = isinstance(event, Training) and isinstance(event.event, Paused)
        if not (self._is_closed and is_paused):  # else the next process goes on with it
            self._marks.remove(task.folder)
        self._subscribers.publish(envelope_of(task.id, event, worker))

    def close(self) -> None:
        """Pause what runs, and leave it and what waits to the next process."""
        if self._is_closed:
            return
        self._is_closed = True
        if self._running is not None:
            try:
                self._running.send("pause")
            except TrainingError as error:
                _log.warning("a training isn't paused: %s", error)
        self._marks.release()

    def _publish(self, task: TrainingTask, event: TrainingEvent) -> None:
        self._subscribers.publish(envelope_of(task.id, Training(name=task.name, event=event)))
