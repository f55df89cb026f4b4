"""Jobs: the protocols of a backend, the local backend, and the plain data that they use.

Interfaces import from here, and from the modules that fold events and turn them into text.
"""

from sdtui.core.enums import JobState
from sdtui.jobs.api import (
    Backend,
    Connection,
    ConnectionStatus,
    Hardware,
    Jobs,
    Prompts,
)
from sdtui.jobs.job import MOST_LOSSES, Job, Output
from sdtui.jobs.model_api import Models
from sdtui.jobs.picture_api import (
    AttachmentPicture,
    JobPicture,
    PictureId,
    Pictures,
    SheetPicture,
)
from sdtui.jobs.training_api import Trainings

__all__ = [
    "MOST_LOSSES",
    "AttachmentPicture",
    "Backend",
    "Connection",
    "ConnectionStatus",
    "Hardware",
    "Job",
    "JobPicture",
    "JobState",
    "Jobs",
    "Models",
    "Output",
    "PictureId",
    "Pictures",
    "Prompts",
    "SheetPicture",
    "Trainings",
]
