"""The progress of jobs, a fold over their events."""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import dataclass, replace

from sdtui.requests.events import (
    Attempt,
    Cancelled,
    Downloading,
    EngineStarting,
    Failed,
    FinalEvent,
    Finished,
    JobEvent,
    Loaded,
    Loading,
    ModelReady,
    Preview,
    Queued,
    Saved,
    SheetSaved,
    StageStarted,
    Started,
    Step,
    Superseded,
    Tile,
    Training,
    TrainingProgress,
    Unloaded,
    WorkerAway,
    WorkerJoined,
    WorkerLost,
)
from sdtui.requests.record import PassPlace

Activity = Started | EngineStarting | Loading | Downloading | Loaded | StageStarted | Step | Tile


@dataclass(frozen=True)
class JobProgress:
    """The progress of a job. A preload has progress too, under its own id; it is never queued or
    started."""

    job: str
    queued_at: float | None = None
    """Times are in seconds since the epoch."""
    started_at: float | None = None
    seed: int | None = None
    """Of the first picture."""
    num_images: int = 1
    activity: Activity | None = None
    """The newest event that describes the current activity."""
    stage: str = ""
    """The newest stage."""
    of_pass: PassPlace | None = None
    """The pass of that stage."""
    attempt: Attempt | None = None
    """The newest attempt, after memory ran out."""
    step: Step | None = None
    preview: Preview | None = None
    loaded: Loaded | None = None
    """The model that was loaded for this job; None if it was already in memory."""
    saved: tuple[Saved, ...] = ()
    memory_peak: int = 0
    """Bytes."""
    final: FinalEvent | None = None

    def apply(self, envelope: JobEvent) -> JobProgress:
        """Return the progress after another event of the job."""
        event = envelope.event
        match event:
            case Step(memory_peak=peak):  # the most frequent first
                peak = max(self.memory_peak, peak)
                return self._with(activity=event, step=event, memory_peak=peak)
            case Preview():
                return self._with(preview=event)
            case Queued():
                return replace(self, queued_at=envelope.time)
            case Started(seed=seed, num_images=num_images):
                return replace(
                    self,
                    started_at=envelope.time,
                    seed=seed,
                    num_images=num_images,
                    activity=event,
                )
            case EngineStarting() | Loading() | Downloading() | Tile():
                return replace(self, activity=event)
            case Loaded():
                return replace(self, activity=event, loaded=event)
            case Unloaded():
                return replace(self, activity=None, loaded=None)
            case StageStarted(stage=stage, of_pass=place):
                return replace(self, activity=event, stage=stage, of_pass=place)
            case Attempt():
                return replace(self, attempt=event)
            case Saved():
                return replace(self, saved=(*self.saved, event))
            case WorkerLost():
                return replace(self, started_at=None, activity=None, step=None, preview=None)
            case Finished() | Failed() | Cancelled():
                return replace(self, activity=None, final=event)
            case _:
                return self

    def _with(self, **changes: object) -> JobProgress:
        """Return a copy with other values, ten times faster than `dataclasses.replace`."""
        changed = object.__new__(JobProgress)
        vars(changed).update(vars(self), **changes)
        return changed

    @property
    def is_running(self) -> bool:
        """True while a worker runs the job."""
        return self.started_at is not None and self.final is None

    @property
    def is_over(self) -> bool:
        """True if no more events will follow."""
        return self.final is not None

    @property
    def done(self) -> int:
        """How many of `total` components, bytes, denoising steps or tiles are done."""
        match self.activity:
            case Loading(number=done) | Downloading(done=done) | Step(step=done) | Tile(tile=done):
                return done
            case _:
                return 0

    @property
    def total(self) -> int:
        """Components, bytes, steps or tiles of the current activity; 0 if unknown."""
        match self.activity:
            case (
                Loading(total=total)
                | Downloading(total=total)
                | Step(total=total)
                | Tile(total=total)
            ):
                return total
            case _:
                return 0

    @property
    def fraction(self) -> float:
        """The completed fraction of the denoising of all the job's pictures, from 0 to 1."""
        if self.step is None:
            return 0.0
        step = self.step
        images = step.first_image + step.batch_size * step.step / step.total
        return min(1.0, images / self.num_images)

    @property
    def paths(self) -> tuple[str, ...]:
        """Of the saved pictures."""
        return tuple(saved.path for saved in self.saved)


def apply_event(open_jobs: MutableMapping[str, JobProgress], envelope: JobEvent) -> JobProgress:
    """Apply an event to its job in `open_jobs` and remove the job if it is over. Returns the job's
    progress. Trainings have none."""
    job = envelope.job
    if isinstance(envelope.event, Training | TrainingProgress):
        return JobProgress(job)
    progress = open_jobs.pop(job, None) or JobProgress(job)
    progress = progress.apply(envelope)
    last = Loaded | ModelReady | Superseded | Unloaded | SheetSaved | WorkerJoined | WorkerAway
    ends_other = progress.queued_at is None and isinstance(envelope.event, last)
    if not progress.is_over and not ends_other:
        open_jobs[job] = progress
    return progress
