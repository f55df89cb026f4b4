"""Which model is in memory: the fold over the events of jobs and of loads."""

from __future__ import annotations

from dataclasses import dataclass, replace

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
)


@dataclass(frozen=True)
class ModelStatus:
    """The model of one worker."""

    loaded: Loaded | None = None
    """The model that is in memory."""
    loading: str | None = None
    """The id of the job or load for which the engine is imported or a model is read."""
    was_loaded: bool = False
    """True once a model was read."""
    problem: Failed | None = None
    """Why no model is in memory, if one was to be read ahead of jobs and couldn't be."""

    def apply(self, envelope: JobEvent, progress: JobProgress) -> ModelStatus:
        """Return the status after one more event, of a job with that `progress`."""
        event, job = envelope.event, envelope.job
        match event:
            case EngineStarting():
                return replace(self, loading=job)
            case Loading():
                return replace(self, loading=job, loaded=None)
            case Loaded():
                return ModelStatus(loaded=event, was_loaded=True)
            case Unloaded():
                return ModelStatus(was_loaded=self.was_loaded)
            case Finished() | Failed() | Cancelled():
                status = self
                if self.loading == job:
                    status = replace(status, loading=None)
                if isinstance(event, Finished):
                    status = replace(status, was_loaded=True)
                is_load = progress.queued_at is None
                if isinstance(event, Failed) and is_load and self.loaded is None:
                    status = replace(status, problem=event)
                return status
            case _:
                return self
