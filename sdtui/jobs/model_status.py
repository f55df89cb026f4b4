"""The model in memory: a fold over the events of jobs and preloads."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sdtui.core.errors import DeviceLostError
from sdtui.jobs.progress import JobProgress
from sdtui.requests.events import (
    Cancelled,
    EngineStarting,
    Failed,
    Finished,
    JobEvent,
    Loaded,
    Loading,
    Unloaded,
    WorkerAway,
    WorkerLost,
)


@dataclass(frozen=True)
class ModelStatus:
    """The model of one worker."""

    loaded: Loaded | None = None
    """The model that is in memory."""
    loading: str | None = None
    """The id of the job or preload for which the engine is imported or a model is loaded."""
    was_loaded: bool = False
    """True once a model was loaded."""
    problem: Failed | None = None
    """Why the last preload failed, if no model is in memory."""
    device_is_lost: bool = False
    """True once the worker can't use its device any more, and has ended."""

    def apply(self, envelope: JobEvent, progress: JobProgress) -> ModelStatus:
        """Return the status after another event of a job with that `progress`."""
        event, job = envelope.event, envelope.job
        match event:
            case EngineStarting():
                return replace(self, loading=job)
            case Loading(is_part=False):
                return replace(self, loading=job, loaded=None)
            case Loaded():
                return ModelStatus(loaded=event, was_loaded=True)
            case Unloaded() | WorkerLost() | WorkerAway():
                return ModelStatus(was_loaded=self.was_loaded)
            case Finished() | Failed() | Cancelled():
                status = self
                if self.loading == job:
                    status = replace(status, loading=None)
                if isinstance(event, Finished):
                    status = replace(status, was_loaded=True)
                if isinstance(event, Failed) and event.error_type == DeviceLostError.__name__:
                    status = replace(status, device_is_lost=True)
                is_load = progress.queued_at is None
                if isinstance(event, Failed) and is_load and self.loaded is None:
                    status = replace(status, problem=event)
                return status
            case _:
                return self
