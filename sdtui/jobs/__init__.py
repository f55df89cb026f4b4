"""The queue and its one worker thread. Every picture goes through here."""

from sdtui.jobs.job import Job, JobState, Output
from sdtui.jobs.queue import JobQueue

__all__ = ["Job", "JobQueue", "JobState", "Output"]
