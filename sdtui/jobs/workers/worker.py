"""The protocol of a worker, and the plain data that it takes and returns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from sdtui.core.cancellation import Cancellation
from sdtui.jobs.generator import Result
from sdtui.jobs.job import Job
from sdtui.jobs.preload import PreloadTask
from sdtui.requests.events import Report
from sdtui.requests.record import GenerationRecord

if TYPE_CHECKING:
    from PIL import Image

    from sdtui.jobs.workers.files import MachineFiles

__all__ = [
    "Assignment",
    "Result",
    "Save",
    "UnsavedPicture",
    "Worker",
    "WorkerPool",
    "WorkerSlot",
]


@dataclass(frozen=True)
class Assignment:
    """The pictures of a job that a worker should make."""

    job: Job
    """Its request has a seed."""
    attempt: int = 1
    """1 for the first. Others follow if workers are lost."""
    done: int = 0
    """How many of the first pictures are there already."""
    source: GenerationRecord | None = None
    """The record of the picture that is upscaled."""


@dataclass
class UnsavedPicture:
    """A finished picture that isn't written, or could not be."""

    image: Image.Image | bytes
    """Bytes are its encoded file."""
    record: GenerationRecord
    index: int
    attachments: Mapping[str, bytes] = field(default_factory=dict)
    """PNG files to keep beside it, by name."""


Save = Callable[[UnsavedPicture], None]
"""Called with every finished picture. Raises SdtuiError if the worker should stop."""


def _always() -> bool:
    return True


def _same_files() -> None:
    return None


@dataclass(frozen=True)
class WorkerSlot:
    """A worker and its place in a queue."""

    name: str
    worker: Worker
    memory: int | None = None
    """Bytes that a model can have; None if all workers have the same, or it is unknown."""
    is_available: Callable[[], bool] = _always
    """Returns False while its machine is away. Quick, as the next is."""
    files: Callable[[], MachineFiles | None] = _same_files
    """Returns the files of its machine, also while that is away; None if it is this one."""
    training_environment: Mapping[str, str] | None = None
    """The variables of a process that trains on its device; None if it can't."""


class Worker(Protocol):
    """Makes pictures on one device. Called by one thread."""

    def start(self, report: Report) -> None:
        """Import the engine, and report that, unless it is there. Raises WorkerLostError."""
        ...

    def run(
        self, assignment: Assignment, report: Report, save: Save, cancellation: Cancellation
    ) -> Result:
        """Make pictures. An SdtuiError is returned, not raised, but for WorkerLostError."""
        ...

    def load(self, task: PreloadTask, report: Report) -> None:
        """Load the model of a preload. Raises SdtuiError."""
        ...

    def unload(self) -> None:
        """Free the model's memory. Raises SdtuiError."""
        ...

    def device_works(self) -> bool:
        """True if the device still computes in this process; asked after an unexpected error."""
        ...

    def close(self) -> None:
        """Free everything. After the loss of the worker `start` may begin anew."""
        ...


class WorkerPool(Protocol):
    """Workers that come and go."""

    def start(
        self, add_worker: Callable[[WorkerSlot], None], look_again: Callable[[], None]
    ) -> None:
        """Report every worker once, when it is there for the first time, and call `look_again`
        when one comes, goes, or was asked for its files; on any thread."""
        ...

    def close(self) -> None:
        """End all workers. Called after the queue is closed."""
        ...
