"""The model in memory: a fold over the events of jobs and preloads."""

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

_LOST_AFTER = 2
"""A wrong launch configuration fails alone; a lost GPU fails every time."""
_DEVICE_ERRORS = (
    "AcceleratorError:",
    "CUDA error:",
    "CUDA driver error:",
    "CUDNN_STATUS_EXECUTION_FAILED",
    "HIP error:",
    "Triton Error [",
    "ERROR_DEVICE_LOST",
)
"""In the text of internal errors: torch's class since 2.8, and messages of the RuntimeErrors of
torch, cuDNN, ROCm, Triton, and Level Zero."""


def _is_device_error(event: Failed) -> bool:
    """True if a failure is an internal error of the GPU's runtime."""
    return not event.error_type and any(each in event.error for each in _DEVICE_ERRORS)


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
    device_errors: int = 0
    """Tasks in a row that failed with an error of the GPU's runtime, which isn't out-of-memory."""

    @property
    def device_is_lost(self) -> bool:
        """True if the GPU fails again and again: after e.g. an illegal memory access no call of
        this process succeeds any more."""
        return self.device_errors >= _LOST_AFTER

    def apply(self, envelope: JobEvent, progress: JobProgress) -> ModelStatus:
        """Return the status after another event of a job with that `progress`."""
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
                    status = replace(status, was_loaded=True, device_errors=0)
                if isinstance(event, Failed) and _is_device_error(event):
                    status = replace(status, device_errors=status.device_errors + 1)
                is_load = progress.queued_at is None
                if isinstance(event, Failed) and is_load and self.loaded is None:
                    status = replace(status, problem=event)
                return status
            case _:
                return self
