"""Jobs: the protocols of a backend, the queue behind the local one, and plain data."""

from sdtui.core.job_state import JobState
from sdtui.jobs.api import Backend, Hardware, JobPicture, Jobs, Models, PictureId, Pictures
from sdtui.jobs.job import Job, Output
from sdtui.jobs.queue import JobQueue
from sdtui.jobs.queue_file import QueueFile

__all__ = [
    "Backend",
    "Hardware",
    "Job",
    "JobPicture",
    "JobQueue",
    "JobState",
    "Jobs",
    "Models",
    "Output",
    "PictureId",
    "Pictures",
    "QueueFile",
]
