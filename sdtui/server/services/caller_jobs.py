"""The jobs of one API key, within its limits."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

from sdtui.core.errors import InvalidRequestError, LimitReachedError, Problem, SdtuiError
from sdtui.jobs import Backend, Job, Jobs, Output
from sdtui.jobs.api import Subscriber
from sdtui.jobs.prompts import ResolvedPrompts, one_combination
from sdtui.jobs.worker_status import HIDDEN, WorkerStatus
from sdtui.requests.events import JobEvent, Queued
from sdtui.requests.grids import Grid
from sdtui.requests.record import ImageRecord
from sdtui.requests.request import GenerationRequest
from sdtui.requests.sections.execution import Execution
from sdtui.server.services.callers import Caller, Permission, forbidden
from sdtui.server.services.served_models import ServedModels
from sdtui.server.services.work import check_work, work_of

_LEAST_SECONDS = 0.001
_REMEMBERED = 100
"""Preloads and downloads of a caller that it may still cancel."""


class Allowance:
    """A number of jobs that grows with time: a token bucket that holds those of a minute. What is
    larger than the bucket is let through while it is full, and paid for by waiting."""

    def __init__(self, rate: float | None) -> None:
        """`rate` is in jobs a minute; None = no limit."""
        self.rate = rate
        self._most = max(1.0, rate or 0.0)
        self._left = self._most
        self._updated = time.monotonic()

    def check(self, count: int) -> None:
        """Raise LimitReachedError if so many jobs can't be taken now."""
        if self.rate is None:
            return
        now = time.monotonic()
        per_second = self.rate / 60
        self._left = min(self._most, self._left + (now - self._updated) * per_second)
        self._updated = now
        missing = min(count, self._most) - self._left
        if missing / per_second > _LEAST_SECONDS:
            raise LimitReachedError(
                f"this API key may begin {self.rate:g} jobs a minute",
                "Try again later",
                seconds=missing / per_second,
            )

    def take(self, count: int) -> None:
        """Use up so many jobs."""
        self._left -= count


class CallerJobs:
    """Implements the protocol `Jobs`, which documents its methods, for a caller. Jobs of others
    are unknown to one that is no admin. Thread-safe."""

    def __init__(
        self,
        backend: Backend,
        caller: Caller,
        allowance: Allowance,
        models: ServedModels,
        most_pictures: int,
    ) -> None:
        """`most_pictures` are those of a job."""
        self._backend = backend
        self._models = models
        self._jobs = backend.jobs
        self._caller = caller
        self._allowance = allowance
        self._most_pictures = most_pictures
        self._other_work: dict[str, None] = {}
        """The ids of preloads and downloads that the caller asked for."""
        self._lock = threading.Lock()
        """Held from checking the limits until the job is queued."""

    # Requests

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
        if prompts is None:
            prompts = self._backend.prompts.resolve(request, most=self._most_pictures)
        self._check_work([prompts.request])
        with self._lock:
            if job_id is not None and (known := self._known(job_id)) is not None:
                return known
            count = prompts.request.num_images_per_prompt
            # The rest of a job that its client skipped pictures of is no new one.
            self._check(0 if front else 1, count)
            job = self._jobs.submit(
                request,
                self._owned(output),
                prompts=prompts,
                front=front,
                job_id=job_id,
                client=self._caller.name,
            )
            self._allowance.take(0 if front else 1)
        return job

    def submit_grid(
        self,
        grid: Grid,
        output: Output | None = None,
        *,
        prompts: Sequence[ResolvedPrompts] | None = None,
        client: str = "",
    ) -> list[Job]:
        requests = [cell.request for cell in grid.cells]
        if prompts is None:
            resolve = self._backend.prompts.resolve
            prompts = [resolve(one_combination(request)) for request in requests]
        self._check_work([each.request for each in prompts])
        with self._lock:
            self._check_unused(f"grid:{grid.record.id}")
            of_grids = (job.grid.grid.id for job in self._jobs.jobs() if job.grid is not None)
            if grid.record.id in of_grids:
                raise _taken(grid.record.id)
            pictures = sum(each.request.num_images_per_prompt for each in prompts)
            self._check(len(requests), pictures)
            jobs = self._jobs.submit_grid(
                grid, self._owned(output), prompts=prompts, client=self._caller.name
            )
            self._allowance.take(len(jobs))
        return jobs

    def check_capacity(self) -> None:
        with self._lock:
            self._check(1, 1)
        self._jobs.check_capacity()

    def _owned(self, output: Output | None) -> Output:
        return (output or Output()).model_copy(update={"owner": self._caller.owner})

    def _known(self, job_id: str) -> Job | None:
        """Return the caller's job of an id. Raises InvalidRequestError if another's has it."""
        try:
            job = self._jobs.job(job_id)
        except KeyError:
            self._check_unused(f"job:{job_id}")
            return None
        if job.output.owner != self._caller.owner:
            raise _taken(job_id)
        return job

    def _check_unused(self, query: str) -> None:
        """Raise InvalidRequestError if pictures that the caller doesn't see are found by a query:
        they would be taken for those of its new job or grid."""
        found = self._backend.pictures.entries(f"-owner:{self._caller.owner} {query}", limit=1)
        if found.entries and not self._caller.is_admin:
            raise _taken(query.partition(":")[2])

    def _check_work(self, requests: Sequence[GenerationRequest]) -> None:
        """Raise InvalidRequestError if a request is for more than the caller may ask for."""
        limits = self._caller.limits
        check_work(requests, self._models, limits.max_work, "this API key's")
        for request in requests if limits.max_pixels is not None else ():
            pixels = work_of(request, self._models).pixels
            if limits.max_pixels is not None and pixels > limits.max_pixels:
                message = f"{pixels:,} pixels are more than this API key's {limits.max_pixels:,}"
                raise InvalidRequestError([Problem("width", pixels, message)])

    def _check(self, jobs: int, pictures: int) -> None:
        """Raise LimitReachedError if the caller may not queue so much more."""
        self._allowance.check(jobs)
        limits = self._caller.limits
        own = [
            job
            for job in self._jobs.jobs()
            if not job.state.is_over and job.output.owner == self._caller.owner
        ]
        ids = {job.id if job.grid is None else job.grid.grid.id for job in own}
        if limits.jobs is not None and jobs and len(ids) >= limits.jobs:
            raise LimitReachedError(
                f"{len(ids)} jobs of this API key are waiting or running, as many as are allowed",
                "Try again later",
            )
        most = limits.pictures
        if most is None:
            return
        if pictures > most:
            message = f"must be at most {most} with this API key, not {pictures}"
            raise InvalidRequestError([Problem("num_images_per_prompt", pictures, message)])
        open_pictures = sum(job.request.num_images_per_prompt - len(job.pictures) for job in own)
        if open_pictures + pictures > most:
            raise LimitReachedError(
                f"{open_pictures} pictures of this API key are waiting or running, and "
                f"{most} are allowed",
                "Try again later",
            )

    # What is there

    def sees(self, job_id: str) -> bool:
        """True if the caller may know of a job, preload or download."""
        if self._caller.is_admin or job_id in self._other_work:
            return True
        try:
            return self._caller.sees(self._jobs.job(job_id).output.owner)
        except KeyError:
            return False

    def sees_grid(self, grid_id: str) -> bool:
        """True if the caller may know of a grid."""
        return self._caller.is_admin or any(
            job.grid is not None and job.grid.grid.id == grid_id for job in self.jobs()
        )

    def jobs(self) -> list[Job]:
        return [job for job in self._jobs.jobs() if self._caller.sees(job.output.owner)]

    def job(self, job_id: str) -> Job:
        job = self._jobs.job(job_id)
        if not self._caller.sees(job.output.owner):
            raise KeyError(job_id)
        return job

    @property
    def is_paused(self) -> bool:
        return self._jobs.is_paused

    @property
    def has_unsaved(self) -> bool:
        if self._caller.is_admin:
            return self._jobs.has_unsaved
        return any(self._jobs.unsaved(job.id) for job in self.jobs())

    @property
    def workers(self) -> tuple[WorkerStatus, ...]:
        workers = self._jobs.workers
        return workers if self._caller.is_admin else tuple(map(self._hidden, workers))

    def _hidden(self, worker: WorkerStatus) -> WorkerStatus:
        """Return a worker's status without the job of another, and the name of a training."""
        job = worker.job if self.sees(worker.job) else ""
        return replace(worker, job=job, training=HIDDEN if worker.training else "")

    def running(self) -> Mapping[str, str]:
        running = self._jobs.running().items()
        return {worker: job for worker, job in running if self.sees(job)}

    def wait(self, job_id: str, timeout: float | None = None) -> Job:
        self.job(job_id)
        return self._jobs.wait(job_id, timeout)

    def unsaved(self, job_id: str) -> tuple[ImageRecord, ...]:
        return self._jobs.unsaved(job_id) if self.sees(job_id) else ()

    def sheets(self, grid_id: str, timeout: float | None = None) -> tuple[str, ...]:
        return self._jobs.sheets(grid_id, timeout) if self.sees_grid(grid_id) else ()

    # Changes

    def cancel(self, job_id: str, *, after_picture: bool = False) -> None:
        if self.sees(job_id):
            self._jobs.cancel(job_id, after_picture=after_picture)

    def cancel_grid(self, grid_id: str) -> None:
        if self.sees_grid(grid_id):
            self._jobs.cancel_grid(grid_id)

    def save_again(self, job_id: str) -> list[str]:
        self.job(job_id)
        return self._jobs.save_again(job_id)

    def load(
        self,
        model: str,
        execution: Execution = Execution(),  # noqa: B008  # frozen
    ) -> str:
        self._caller.check(Permission.LOAD)
        return self.note_own(self._jobs.load(model, execution))

    def unload(self, workers: Sequence[str] = ()) -> str:
        self._caller.check(Permission.LOAD)
        return self.note_own(self._jobs.unload(workers))

    def note_own(self, work: str) -> str:
        """Let the caller know of a preload or download; return its id."""
        with self._lock:
            self._other_work[work] = None
            for old in list(self._other_work)[:-_REMEMBERED]:
                del self._other_work[old]
        return work

    def move(self, job_id: str, position: int) -> None:
        self._caller.check_admin("move jobs")
        self._jobs.move(job_id, position)

    def pause(self) -> None:
        self._caller.check_admin("pause the queue")
        self._jobs.pause()

    def resume(self) -> None:
        self._caller.check_admin("pause the queue")
        self._jobs.resume()

    def subscribe(self, subscriber: Subscriber) -> Callable[[], None]:
        self._caller.check_admin("follow all jobs")
        return self._jobs.subscribe(subscriber)

    def finish(self, hanging: Collection[str] = ()) -> None:
        raise forbidden("end the server")

    def close(self, timeout: float = 2.0) -> bool:
        raise forbidden("end the server")


def seen_by(sees: Callable[[str], bool], jobs: Jobs, envelope: JobEvent) -> JobEvent | None:
    """Return an event as a caller sees it, to whom `jobs` are known: None if it is of a job of
    others, whose jobs aren't counted either."""
    if not sees(envelope.job):
        return None
    if not isinstance(jobs, CallerJobs) or not isinstance(envelope.event, Queued):
        return envelope
    unfinished = [job.id for job in jobs.jobs() if not job.state.is_over]
    position = unfinished.index(envelope.job) if envelope.job in unfinished else 0
    return envelope.model_copy(update={"event": Queued(position=position)})


def _taken(used: str) -> SdtuiError:
    return InvalidRequestError([Problem("id", used, "is another's")])
