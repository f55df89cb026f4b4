"""The jobs of a queue and their order, without locks, threads and events."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from sdtui.core.cancellation import Cancellation
from sdtui.core.enums import JobState
from sdtui.core.errors import QueueFullError
from sdtui.jobs.execution import JobOutcome, SavedFile, end_by_loss, finished_job
from sdtui.jobs.job import Job
from sdtui.jobs.progress import JobProgress
from sdtui.requests.events import FLEETING_KINDS, Cancelled, FinalEvent, JobEvent

_REMEMBERED = 200
"""Number of finished jobs that remain listed."""


@dataclass
class QueueState:
    """Used by `JobQueue` with its lock held."""

    limit: int | None = None
    """Maximum number of waiting jobs; None = unlimited."""
    jobs: dict[str, Job] = field(default_factory=dict)
    """By id."""
    waiting: list[str] = field(default_factory=list)
    over: dict[str, None] = field(default_factory=dict)
    """Ids of finished jobs, in the order in which they ended."""
    grids: dict[str, list[str]] = field(default_factory=dict)
    """Ids of the jobs of each grid."""
    running: dict[str, str] = field(default_factory=dict)
    """Ids of running jobs by worker name."""
    progress: dict[str, JobProgress] = field(default_factory=dict)
    """Of the running jobs."""
    cancellations: dict[str, Cancellation] = field(default_factory=dict)
    """Of the jobs that are not over."""

    def check_capacity(self) -> None:
        """Raise QueueFullError if the limit of waiting jobs is reached. Those of a grid count as
        one."""
        if self.limit is None or len(self.waiting) < self.limit:
            return
        jobs = (self.jobs[job_id] for job_id in self.waiting)
        waiting = len({job.id if job.grid is None else job.grid.grid.id for job in jobs})
        if waiting >= self.limit:
            raise QueueFullError(f"the queue is full: {waiting} jobs are queued", "Try again later")

    def add(self, job: Job, *, front: bool = False) -> int:
        """Add a waiting job; return the number of jobs before it, including running ones."""
        position = 0 if front else len(self.waiting)
        self.jobs[job.id] = job
        self.cancellations[job.id] = Cancellation()
        if job.grid is not None:
            self.grids.setdefault(job.grid.grid.id, []).append(job.id)
        self.waiting.insert(position, job.id)
        return position + len(self.running)

    def take(self, worker: str) -> Job:
        """Start the first waiting job on a worker."""
        return self.begin(worker, self.waiting[0])

    def begin(self, worker: str, job_id: str) -> Job:
        """Start a waiting job on a worker."""
        self.waiting.remove(job_id)
        self.running[worker] = job_id
        self.progress.setdefault(job_id, JobProgress(job_id))
        return self.replace(job_id, state=JobState.RUNNING)

    def give_back(self, job_id: str, *, counts: bool) -> None:
        """Let a job wait at the front whose worker was lost, with the loss counted if
        it may be the cause."""
        self._stop_running(job_id)
        self.waiting.insert(0, job_id)
        if counts:
            self.jobs[job_id] = self.jobs[job_id].after_loss()
        self.replace(job_id, state=JobState.QUEUED)

    def end_by_loss(self, job_id: str, *, counts: bool) -> FinalEvent | None:
        """Return how a job ends whose worker was lost; None if another should go on with it."""
        if self.cancellations[job_id].is_requested:
            return Cancelled()
        return end_by_loss(self.jobs[job_id]) if counts else None

    def _stop_running(self, job_id: str) -> None:
        self.running = {worker: each for worker, each in self.running.items() if each != job_id}

    def apply(self, envelope: JobEvent) -> None:
        """Update a running job by an event."""
        job_id = envelope.job
        progress = self.progress[job_id] = self.progress[job_id].apply(envelope)
        if envelope.event.kind not in FLEETING_KINDS:
            self.jobs[job_id] = self.jobs[job_id].with_progress(progress)

    def cancel(self, job_id: str, *, after_picture: bool) -> JobOutcome | None:
        """Request a running job to stop, or cancel a waiting one and return its outcome."""
        job = self.jobs.get(job_id)
        if job is None or job.state.is_over:
            return None
        self.replace(job_id, is_cancelled=True)
        if job.state is JobState.QUEUED:
            self.waiting.remove(job_id)
            return JobOutcome(Cancelled())
        if after_picture:
            self.cancellations[job_id].stop_after_picture()
        else:
            self.cancellations[job_id].stop_now()
            self.replace(job_id, state=JobState.CANCELLING)
        return None

    def stop_running(self, *, after_picture: bool, hanging: Collection[str] = ()) -> None:
        """Stop all running jobs; they are resumed later, since no user cancelled them. Those of
        workers that hang count as lost with them."""
        for worker, job_id in self.running.items():
            if worker in hanging:
                self.jobs[job_id] = self.jobs[job_id].after_loss()
            cancellation = self.cancellations[job_id]
            if after_picture:
                cancellation.stop_after_picture()
            else:
                cancellation.stop_now()

    def of_grid(self, grid_id: str) -> list[Job]:
        """Return the jobs of a grid."""
        return [self.jobs[job_id] for job_id in self.grids.get(grid_id, ())]

    def is_grid_over(self, grid_id: str) -> bool:
        """True if no job of a grid runs, waits or is resumed at the next start."""
        jobs = self.of_grid(grid_id)
        return all(job.state.is_over and not job.has_remaining for job in jobs)

    def move(self, job_id: str, position: int) -> None:
        """Move a waiting job to `position` among the waiting ones, 0 being next."""
        if job_id in self.jobs and self.jobs[job_id].state is JobState.QUEUED:
            self.waiting.remove(job_id)
            self.waiting.insert(max(0, position), job_id)

    def finish(self, job_id: str, outcome: JobOutcome) -> list[str]:
        """Set a job's final state; return the ids of old jobs that are now forgotten."""
        self._stop_running(job_id)
        self.cancellations.pop(job_id)
        progress = self.progress.pop(job_id, None)
        if progress is not None and (step := progress.step) is not None:
            self.replace(job_id, last_step=(step.step, step.total))
        self.jobs[job_id] = finished_job(self.jobs[job_id], outcome)
        self.over[job_id] = None
        forgotten = list(self.over)[:-_REMEMBERED]
        for old in forgotten:
            self._forget(old)
        return forgotten

    def _forget(self, job_id: str) -> None:
        del self.over[job_id]
        grid = self.jobs.pop(job_id).grid
        if grid is not None:
            jobs = self.grids[grid.grid.id]
            jobs.remove(job_id)
            if not jobs:
                del self.grids[grid.grid.id]

    def add_saved(self, job_id: str, file: SavedFile) -> None:
        """Add a picture that was saved after the end of its job, which is done with the last."""
        job = self.jobs[job_id]
        pictures = (*job.pictures, str(file.path))
        changes: dict[str, object] = {"pictures": pictures}
        record = job.record
        if record is not None:
            image = file.record.images[0]
            images = [image if each.index == image.index else each for each in record.images]
            record = record.model_copy(update={"images": tuple(images)})
        if job.state is JobState.FAILED and len(pictures) == job.request.num_images_per_prompt:
            changes |= {"state": JobState.DONE, "error": None, "error_type": ""}
            if record is not None:
                record = record.model_copy(update={"success": True, "error": None})
        self.replace(job_id, **changes, record=record)

    def replace(self, job_id: str, **changes: object) -> Job:
        """Replace fields of a job."""
        job = self.jobs[job_id] = self.jobs[job_id].model_copy(update=changes)
        return job

    def listed(self) -> list[Job]:
        """Return the running jobs, the waiting ones in their order, then the finished ones, latest
        first."""
        listed = (*self.running.values(), *self.waiting, *reversed(self.over))
        return list(map(self.jobs.__getitem__, listed))

    def resumable(self) -> list[Job]:
        """Return the remaining work of every job as waiting jobs, those that had begun first."""
        begun_first = sorted(self.listed(), key=lambda job: job.state is JobState.QUEUED)
        remaining = [job.remaining() for job in begun_first]
        return [job for job in remaining if job is not None]
