"""Loading models before a job needs them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from sdtui.core.cancellation import Cancellation
from sdtui.core.enums import DType, MemoryMode, Quantize


@dataclass(frozen=True)
class PreloadTask:
    """A model to load before a job needs it. The last event with its id is its outcome:
    `model_ready`, `unloaded`, `superseded`, `failed` or `cancelled`."""

    id: str
    model: str | None
    """None = unload the loaded model."""
    dtype: DType = DType.AUTO
    memory_mode: MemoryMode = MemoryMode.AUTO
    quantize: Quantize = Quantize.NONE
    cancellation: Cancellation = field(default_factory=Cancellation)

    def is_same_target(self, other: PreloadTask) -> bool:
        """True if both load the same model with the same options, and this one isn't cancelled."""
        own = (self.model, self.dtype, self.memory_mode, self.quantize)
        theirs = (other.model, other.dtype, other.memory_mode, other.quantize)
        return own == theirs and not self.cancellation.is_requested


class Preloader:
    """The running preload and the waiting one; a new one replaces both. Called with the queue's
    lock held.

    A model is loaded by one worker, and unloaded by all.
    """

    def __init__(self) -> None:
        self.waiting: PreloadTask | None = None
        self.running: PreloadTask | None = None
        self._to_begin: set[str] = set()
        """Workers that have to begin the waiting one, if it unloads."""
        self._begun: dict[str, PreloadTask] = {}
        """What workers carry out."""

    def add(self, task: PreloadTask, workers: Iterable[str]) -> None:
        """Let a task wait. `workers` are those that should unload."""
        self.waiting = task
        self._to_begin = set(workers) if task.model is None else set()

    def is_for(self, worker: str) -> bool:
        """True if a worker should begin the waiting task."""
        if self.waiting is None:
            return False
        return self.waiting.model is not None or worker in self._to_begin

    def find_same(self, task: PreloadTask) -> PreloadTask | None:
        """Return the newest preload if it has the same target."""
        latest = self.waiting or self.running
        return latest if latest is not None and latest.is_same_target(task) else None

    def start_next(self, worker: str) -> PreloadTask:
        """Start the waiting preload on a worker."""
        assert self.waiting is not None
        self.running = self.waiting
        self._begun[worker] = self.running
        self._to_begin.discard(worker)
        if not self._to_begin:
            self.waiting = None
        return self.running

    def finish(self, worker: str, task: PreloadTask) -> bool:
        """Note that a worker has ended a task; return True if all have."""
        self._begun.pop(worker, None)
        if task is self.waiting or any(each is task for each in self._begun.values()):
            return False
        if task is self.running:
            self.running = None
        return True

    def cancel(self, task_id: str) -> None:
        """Cancel the running preload if it has this id."""
        if self.running is not None and self.running.id == task_id:
            self.running.cancellation.stop_now()

    def stop(self) -> PreloadTask | None:
        """Cancel the running preload, drop the waiting one and return the latter."""
        dropped, self.waiting = self.waiting, None
        if dropped is self.running:
            dropped = None  # some workers carry it out
        if self.running is not None:
            self.running.cancellation.stop_now()
        return dropped
