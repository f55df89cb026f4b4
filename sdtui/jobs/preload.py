"""Models that are to be ready before a job needs them."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass, field

from sdtui.core.cancellation import Cancellation
from sdtui.core.enums import DType, MemoryMode
from sdtui.requests.events import Cancelled, FinalEvent


def _begun() -> Future[FinalEvent | None]:
    """One that can't be cancelled by who waits for it."""
    future: Future[FinalEvent | None] = Future()
    future.set_running_or_notify_cancel()
    return future


@dataclass(frozen=True)
class PreloadTask:
    """A model that is to be ready before a job needs it."""

    id: str
    model: str | None
    """None: the memory is needed for something else, and no model is to be in it."""
    dtype: DType = DType.AUTO
    memory_mode: MemoryMode = MemoryMode.AUTO
    cancellation: Cancellation = field(default_factory=Cancellation)
    over: Future[FinalEvent | None] = field(default_factory=_begun)
    """How it ended, once it has: with None if it was done."""

    def is_same_target(self, other: PreloadTask) -> bool:
        """Whether both ask for one thing, and this one isn't given up."""
        own = (self.model, self.dtype, self.memory_mode)
        theirs = (other.model, other.dtype, other.memory_mode)
        return own == theirs and not self.cancellation.asked


class Preloader:
    """The model that is being read, and the one that is wanted next: the latest wish counts. Used
    with the queue's lock held."""

    def __init__(self) -> None:
        self.wanted: PreloadTask | None = None
        self.running: PreloadTask | None = None

    def want(self, load: PreloadTask) -> PreloadTask:
        """Have another model than was wanted until now; returns the same wish if there is one."""
        latest = self.wanted or self.running
        if latest is not None and latest.is_same_target(load):
            return latest
        self.stop()
        self.wanted = load
        return load

    def begin(self) -> PreloadTask | None:
        """Take up what is wanted."""
        self.running, self.wanted = self.wanted, None
        return self.running

    def cancel(self, load_id: str) -> None:
        """Stop the reading of a model, if it is that one."""
        if self.running is not None and self.running.id == load_id:
            self.running.cancellation.stop_now()

    def stop(self) -> None:
        """Want none any more."""
        if self.wanted is not None:
            given_up, self.wanted = self.wanted, None
            given_up.over.set_result(Cancelled())
        if self.running is not None:
            self.running.cancellation.stop_now()

    def end(self, final_event: FinalEvent | None) -> None:
        """Tell those who wait how it ended; None = it was done."""
        assert self.running is not None
        self.running.over.set_result(final_event)
        self.running = None
