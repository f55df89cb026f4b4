"""The protocols that the app, the commands and the server use.

A `Backend` may be in this process, on another machine or spread over several: arguments and results
are plain data, and slow operations report events. Reading (`jobs`, `job`, `running`, `is_paused`,
`latest`) never blocks. Everything else may wait for a disk or a network and must not be called on
an event loop.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from sdtui.jobs.model_api import Models
from sdtui.jobs.picture_api import Pictures
from sdtui.jobs.training_api import Trainings
from sdtui.requests.sections.execution import Execution

if TYPE_CHECKING:
    from sdtui.jobs.job import Job, Output
    from sdtui.jobs.prompts import PromptNames, ResolvedPrompts
    from sdtui.jobs.worker_status import WorkerStatus
    from sdtui.models import WildcardFiles
    from sdtui.monitor import Sample
    from sdtui.requests.events import JobEvent
    from sdtui.requests.grids import Grid
    from sdtui.requests.record import ImageRecord
    from sdtui.requests.request import GenerationRequest
    from sdtui.requests.styles import Style

Subscriber = Callable[["JobEvent"], None]
"""Called with every event, on any thread: it must be fast and must not call the backend."""


class Jobs(Protocol):
    """The job queue and its workers."""

    @property
    def is_paused(self) -> bool:
        """True if waiting jobs are not started."""
        ...

    @property
    def has_unsaved(self) -> bool:
        """True if pictures that could not be written are held in memory."""
        ...

    def jobs(self) -> list[Job]:
        """Return the running jobs, the waiting ones in their order, then the finished ones, latest
        first."""
        ...

    def job(self, job_id: str) -> Job:
        """Return the current state of a job. Raises KeyError if it is unknown or forgotten."""
        ...

    @property
    def workers(self) -> tuple[WorkerStatus, ...]:
        """What each worker does."""
        ...

    def running(self) -> Mapping[str, str]:
        """Return the ids of running jobs by worker name."""
        ...

    def subscribe(self, subscriber: Subscriber) -> Callable[[], None]:
        """Send every event to `subscriber`. Returns a function that unsubscribes."""
        ...

    def wait(self, job_id: str, timeout: float | None = None) -> Job:
        """Wait at most `timeout` seconds until a job is over; return its current state. Raises
        KeyError if it is unknown or forgotten."""
        ...

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
        """Queue a request, at the end or at the front (where the limit doesn't apply).

        `prompts` is what `Prompts.resolve` returned for the request, if it was asked: otherwise
        styles and wildcards are read now.
        The client may choose the job's id; a second call with the same id returns the first one's
        job. `client` is who asks, where several people share the workers. Raises QueueFullError or
        QueueClosedError.
        """
        ...

    def submit_grid(
        self,
        grid: Grid,
        output: Output | None = None,
        *,
        prompts: Sequence[ResolvedPrompts] | None = None,
        client: str = "",
    ) -> list[Job]:
        """Queue the cells of a grid in the order in which least is loaded; the limit counts them as
        one job. `prompts` are those of each cell, if they are worked out already. When the last
        one is over, the sheets are written and reported by `SheetSaved`. Raises QueueFullError or
        QueueClosedError."""
        ...

    def cancel_grid(self, grid_id: str) -> None:
        """Cancel the jobs of a grid that aren't over."""
        ...

    def sheets(self, grid_id: str, timeout: float | None = None) -> tuple[str, ...]:
        """Wait at most `timeout` seconds until the sheets of a grid are written; return their
        paths, that of the whole grid first, and none if it has no picture."""
        ...

    def check_capacity(self) -> None:
        """Raise QueueFullError if the limit of waiting jobs is reached. Those of a grid count as
        one."""
        ...

    def cancel(self, job_id: str, *, after_picture: bool = False) -> None:
        """Cancel a job or preload: at once, or a running job after the current picture. Does
        nothing if it is over."""
        ...

    def move(self, job_id: str, position: int) -> None:
        """Move a waiting job to `position` among the waiting ones, 0 being next."""
        ...

    def pause(self) -> None:
        """Start no more jobs until `resume`. Running ones continue."""
        ...

    def resume(self) -> None:
        """Start jobs again after `pause`."""
        ...

    def save_again(self, job_id: str) -> list[str]:
        """Write the pictures of a job that could not be written; return their paths. Raises
        OutputError; the remaining pictures are still held then."""
        ...

    def unsaved(self, job_id: str) -> tuple[ImageRecord, ...]:
        """Return the pictures of a job that could not be written. `Pictures.read` has them with
        the indexes after those of `Job.pictures`."""
        ...

    def load(
        self,
        model: str,
        execution: Execution = Execution(),  # noqa: B008  # frozen
    ) -> str:
        """Load a model in advance of a job with this execution, once no job waits; return the
        preload's id.

        A newer preload replaces it, unless it has the same target: then both have the same id. The
        last event with the id is `model_ready`, `superseded`, `failed` or `cancelled`. Raises
        QueueClosedError.
        """
        ...

    def unload(self, workers: Sequence[str] = ()) -> str:
        """Unload the models of some workers, by default all, once they have no job, as a preload
        whose last event is `unloaded`."""
        ...

    def finish(self, hanging: Collection[str] = ()) -> None:
        """Accept and start no more jobs; running ones end after the current picture. Doesn't
        wait. What the workers in `hanging` run counts as lost with them: it may be the cause."""
        ...

    def close(self, timeout: float = 2.0) -> bool:
        """Accept no more jobs, stop the running ones and wait at most `timeout` seconds; return
        True if all workers have stopped."""
        ...


class Prompts(Protocol):
    """The styles and wildcards of the backend, and what prompts become with them."""

    def resolve(self, request: GenerationRequest, *, most: int = 64) -> ResolvedPrompts:
        """Return the prompts of a request's pictures, at most `most` if all combinations are
        wanted. Raises InvalidRequestError for an unknown style, and SettingsError."""
        ...

    def names(self) -> PromptNames:
        """Return what prompts and their styles can name now. Raises SettingsError if the styles
        can't be read."""
        ...

    def wildcards(self) -> WildcardFiles:
        """Return the wildcards as they are now."""
        ...

    @property
    def styles_file(self) -> Path:
        """The file in which styles are saved."""
        ...

    def styles(self) -> list[Style]:
        """Return all styles. Raises SettingsError if a file can't be read."""
        ...

    def save_style(self, style: Style) -> None:
        """Add a style, or replace the one of its name. Raises SettingsError."""
        ...

    def delete_style(self, name: str) -> None:
        """Delete a style. Raises SettingsError if there is none of that name."""
        ...


class Hardware(Protocol):
    """Samples of the machine's memory and load."""

    @property
    def latest(self) -> Sample | None:
        """The newest sample; None before the first."""
        ...

    def start(self, on_sample: Callable[[Sample], object] | None = None) -> None:
        """Take samples regularly and call `on_sample` with each, on any thread."""
        ...

    def stop(self) -> None:
        """Stop taking samples."""
        ...

    def sample(self) -> Sample:
        """Take a sample now."""
        ...

    def wait_for_sample(self, timeout: float) -> bool:
        """Wait at most `timeout` seconds for the first sample; return True if there is one."""
        ...


@dataclass(frozen=True)
class ConnectionStatus:
    """How a backend in another process can be reached."""

    is_connected: bool = False
    retry_at: float | None = None
    """When the next attempt to connect begins, in monotonic seconds; None while one is made."""
    problem: str = ""
    """Why it isn't connected."""


class Connection(Protocol):
    """The connection to a backend in another process."""

    @property
    def name(self) -> str:
        """What people call the backend's machine."""
        ...

    @property
    def shares_files(self) -> bool:
        """True if the backend sees the files of this machine by the same paths."""
        ...

    @property
    def status(self) -> ConnectionStatus: ...

    def subscribe(self, on_change: Callable[[ConnectionStatus], object]) -> Callable[[], None]:
        """Call `on_change` with every new status, on any thread. Returns a function that
        unsubscribes."""
        ...


class Backend(Protocol):
    """Generates and stores pictures, and trains models."""

    @property
    def connection(self) -> Connection | None:
        """None if the backend is in this process."""
        ...

    @property
    def keeps_running(self) -> bool:
        """True if jobs continue after `close`."""
        ...

    @property
    def jobs(self) -> Jobs: ...

    @property
    def models(self) -> Models: ...

    @property
    def prompts(self) -> Prompts: ...

    @property
    def pictures(self) -> Pictures: ...

    @property
    def trainings(self) -> Trainings: ...

    @property
    def hardware(self) -> Hardware: ...

    def save_jobs(self) -> None:
        """Persist the unfinished jobs. Raises OSError."""
        ...

    def orphaned_jobs(self) -> list[Job]:
        """Return the unfinished jobs of dead processes, in their order."""
        ...

    def adopt_orphaned_jobs(self, *, twice_lost: bool) -> list[Job]:
        """Queue the orphaned jobs, those that had begun with their remaining pictures. One that two
        processes had begun when they died, which may be the cause, is left out unless `twice_lost`.
        Returns all with the pictures that were made. Raises OSError."""
        ...

    def forget_orphaned_jobs(self) -> None:
        """Delete the orphaned jobs."""
        ...

    def close(self, timeout: float = 2.0) -> bool:
        """Stop all work in this process and persist the unfinished jobs; return True if all work
        has stopped. May be called repeatedly, from any thread."""
        ...
