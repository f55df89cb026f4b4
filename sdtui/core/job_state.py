"""The states of a job, apart from `jobs.job`, which imports pydantic."""

from __future__ import annotations

from enum import StrEnum


class JobState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    CANCELLING = "cancelling"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_over(self) -> bool:
        """True if the job won't change any more."""
        return self in (JobState.DONE, JobState.FAILED, JobState.CANCELLED)

    @property
    def is_wanted(self) -> bool:
        """True if the job waits or runs and nobody has cancelled it."""
        return self in (JobState.QUEUED, JobState.RUNNING)
