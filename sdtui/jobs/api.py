"""The protocols that the app, the commands and the server work with.

A `Backend` may be in this process, on another machine or spread over many: what it takes and
returns is plain data, and what takes long reports events. Looking (`jobs`, `job`, `running`,
`is_paused`, `latest`) never waits. Everything else may wait for a disk or a network, and is not to
be called on an event loop.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from sdtui.core.enums import DType, MemoryMode

if TYPE_CHECKING:
    from sdtui.history import Changes, Entry, Imported, Page, Skipped, Stats
    from sdtui.jobs.job import Job, Output
    from sdtui.models import ModelDescription, ModelSource, TokenCounter
    from sdtui.monitor import Sample
    from sdtui.requests.events import JobEvent
    from sdtui.requests.record import GenerationRecord
    from sdtui.requests.request import GenerationRequest

Subscriber = Callable[["JobEvent"], None]
"""Called with every event, on any thread: it must be quick, and must not call the backend."""


class Jobs(Protocol):
    """The queue of jobs and the workers that carry them out."""

    @property
    def is_paused(self) -> bool:
        """True while waiting jobs are not begun."""
        ...

    @property
    def has_unsaved(self) -> bool:
        """True if pictures that could not be written are held in memory."""
        ...

    def jobs(self) -> list[Job]:
        """Return the running jobs, the waiting ones in their order, then the finished ones, the
        last to end first."""
        ...

    def job(self, job_id: str) -> Job:
        """Return a job as it stands. Raises KeyError if it isn't known (any more)."""
        ...

    def running(self) -> Mapping[str, str]:
        """Return the ids of running jobs by the names of their workers."""
        ...

    def subscribe(self, subscriber: Subscriber) -> Callable[[], None]:
        """Hand every event to `subscriber`. Returns what ends the subscription."""
        ...

    def wait(self, job_id: str, timeout: float | None = None) -> Job:
        """Wait at most `timeout` seconds until a job is over, and return it as it then stands.
        Raises KeyError if it isn't known (any more)."""
        ...

    def submit(
        self,
        request: GenerationRequest,
        output: Output | None = None,
        *,
        front: bool = False,
        job_id: str | None = None,
    ) -> Job:
        """Queue a request, at the end or at the front (there whatever the limit).

        A client may choose the job's id; a second call with the same id returns the first one's
        job. Raises QueueFullError or QueueClosedError.
        """
        ...

    def check_capacity(self) -> None:
        """Raise QueueFullError if as many jobs wait as may."""
        ...

    def cancel(self, job_id: str, *, after_picture: bool = False) -> None:
        """Cancel a job or preload: at once, or a running job after the picture that is being made.
        Does nothing if it is over."""
        ...

    def move(self, job_id: str, position: int) -> None:
        """Put a waiting job at `position` among the waiting ones, 0 being next."""
        ...

    def pause(self) -> None:
        """Begin no more jobs until `resume`. Running ones go on."""
        ...

    def resume(self) -> None:
        """Begin jobs again after `pause`."""
        ...

    def save_again(self, job_id: str) -> list[str]:
        """Write the pictures of a job that could not be written, and return their paths. Raises
        OutputError; what isn't written is still held then."""
        ...

    def load(
        self,
        model: str,
        dtype: DType = DType.AUTO,
        memory_mode: MemoryMode = MemoryMode.AUTO,
    ) -> str:
        """Load a model ahead of jobs, once none waits; return the preload's id.

        A newer preload replaces it, unless it has the same target: then their ids are the same. The
        last event under the id is `model_ready`, `superseded`, `failed` or `cancelled`. Raises
        QueueClosedError.
        """
        ...

    def unload(self) -> str:
        """Unload the model once no job waits, as a preload whose last event is `unloaded`."""
        ...

    def finish(self) -> None:
        """Take no more jobs and begin none; running ones end after the picture that is being made.
        Doesn't wait."""
        ...

    def close(self, timeout: float = 2.0) -> bool:
        """Take no more jobs, stop the running ones and wait at most `timeout` seconds; return
        whether nothing works any more."""
        ...


DownloadSubscriber = Callable[["JobEvent"], None]
"""Called with a download's events: `downloading` as bytes arrive, and at the end `downloaded`,
`failed` or `cancelled`."""


class Models(Protocol):
    """The models that the backend can use."""

    def installed(self) -> list[ModelSource]:
        """Return every model that needs no download."""
        ...

    def find(self, name: str) -> ModelSource:
        """Find a model by its name, path or hub id. Raises ModelError."""
        ...

    def describe(self, source: ModelSource) -> ModelDescription | None:
        """Describe a model, or return None for one that isn't downloaded. Raises ModelError."""
        ...

    def token_counters(self, source: ModelSource) -> Mapping[str, TokenCounter]:
        """Return counters for the model's text encoders, CLIP's own if it isn't downloaded. Raises
        ModelError."""
        ...

    def download(self, hub_id: str, subscriber: DownloadSubscriber) -> str:
        """Download a model of the hub; return the download's id."""
        ...

    def cancel_download(self, download_id: str) -> None:
        """Stop a download; complete files are kept."""
        ...


@dataclass(frozen=True)
class JobPicture:
    """A saved picture of a job, named by its place in `Job.pictures`."""

    job: str
    index: int


PictureId = int | JobPicture
"""A picture by the id of its history entry, or by its job."""


class Pictures(Protocol):
    """The saved pictures. Methods raise HistoryError if there is no such picture."""

    @property
    def folder(self) -> Path:
        """The pictures folder, on the backend's machine."""
        ...

    @property
    def trash_folder(self) -> Path:
        """The folder of what was moved into the trash."""
        ...

    def read(self, picture: PictureId) -> bytes:
        """Return a picture's encoded file."""
        ...

    def local_file(self, picture: PictureId) -> Path | None:
        """Return a picture's file if it is on this machine, in its place and an ordinary file."""
        ...

    def entries(self, query: str = "", *, offset: int = 0, limit: int = 50) -> Page:
        """Return a page of what a search finds, newest first. Raises InvalidRequestError for a
        query that makes no sense."""
        ...

    def get(self, which: int | str | Path) -> Entry:
        """Find a picture by its id, path or file name."""
        ...

    def record(self, entry: Entry) -> GenerationRecord:
        """Return how a picture was made."""
        ...

    def star(self, which: int | str | Path) -> Entry: ...

    def unstar(self, which: int | str | Path) -> Entry: ...

    def tag(self, which: int | str | Path, *tags: str) -> Entry: ...

    def untag(self, which: int | str | Path, *tags: str) -> Entry: ...

    def trash(self, which: int | str | Path) -> Path:
        """Move a picture into the trash; return its path there."""
        ...

    def trashed(self) -> tuple[Path, ...]:
        """Return the pictures in the trash, newest folder and name first."""
        ...

    def restore(self, which: str | Path) -> Entry:
        """Move a picture back out of the trash."""
        ...

    def empty_trash(self) -> int:
        """Delete what is in the trash; return the number of pictures."""
        ...

    def refresh(self) -> Changes:
        """Notice what was moved, copied in or deleted by others."""
        ...

    def reindex(self, progress: Callable[[int], None] | None = None) -> Changes:
        """Make the index anew; `progress` is called with the number of files read."""
        ...

    def skipped(self) -> tuple[Skipped, ...]:
        """Return the files that can't be listed."""
        ...

    def stats(self) -> Stats:
        """Return the history in numbers."""
        ...

    def export(self, target: Path, query: str = "") -> int:
        """Write what a search finds into the zip file `target`; return the number of pictures."""
        ...

    def import_(self, sources: Iterable[Path]) -> Imported:
        """Copy pictures in: files, folders, and zips of `export`."""
        ...


class Hardware(Protocol):
    """Samples of the machine's memory and load."""

    @property
    def latest(self) -> Sample | None:
        """The newest sample; None before the first."""
        ...

    def start(self, on_sample: Callable[[Sample], object] | None = None) -> None:
        """Take samples regularly, and call `on_sample` with each on any thread."""
        ...

    def stop(self) -> None:
        """Take no more samples."""
        ...

    def sample(self) -> Sample:
        """Take a sample now."""
        ...

    def wait_for_sample(self, timeout: float) -> bool:
        """Wait at most `timeout` seconds for the first sample; return whether there is one."""
        ...


class Backend(Protocol):
    """All that makes pictures and keeps them."""

    @property
    def jobs(self) -> Jobs: ...

    @property
    def models(self) -> Models: ...

    @property
    def pictures(self) -> Pictures: ...

    @property
    def hardware(self) -> Hardware: ...

    def save_jobs(self) -> None:
        """Make sure that the unfinished jobs outlive this process. Raises OSError."""
        ...

    def orphaned_jobs(self) -> list[Job]:
        """Return the unfinished jobs of processes that have died, in their order."""
        ...

    def adopt_orphaned_jobs(self, *, begun: bool) -> list[Job]:
        """Queue the orphaned jobs; of those that had been begun what is left of them, or nothing
        unless `begun`. Returns them as they were orphaned. Raises OSError."""
        ...

    def forget_orphaned_jobs(self) -> None:
        """Delete the orphaned jobs."""
        ...

    def close(self, timeout: float = 2.0) -> bool:
        """Stop what runs in this process and keep the unfinished jobs for the next start; return
        whether nothing works any more. May be called again, from any thread."""
        ...
