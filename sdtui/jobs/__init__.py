"""The queue and its one worker thread. Every picture goes through here."""

from sdtui.core.job_state import JobState
from sdtui.jobs.job import Job, Output
from sdtui.jobs.queue import JobQueue
from sdtui.jobs.queue_file import QueueFile

__all__ = ["Job", "JobQueue", "JobState", "Output", "QueueFile"]
