"""A job as the faces see it: plain data, replaced as a whole when something changes."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from sdtui.core.events import Cancelled, Event, Failed, Finished, Saved, Started
from sdtui.core.job_state import JobState
from sdtui.core.record import GenerationRecord
from sdtui.core.request import GenerationRequest
from sdtui.core.request_fields import MAX_SEED

Format = Literal["png", "jpeg", "webp"]
Ending = Finished | Failed | Cancelled


class Output(BaseModel):
    """Where a job's pictures go, if not into the pictures folder."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    folder: Path | None = None
    file: Path | None = None
    """The file of a job's only picture; its ending tells the format."""
    format: Format = "png"


class Job(BaseModel):
    """A snapshot of a job."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    id: str
    request: GenerationRequest
    output: Output = Output()
    state: JobState = JobState.QUEUED
    is_unwanted: bool = False
    """Whether someone cancelled it. One that was stopped because its queue closed is wanted."""
    seed: int | None = None
    """Of the first picture, once the job has begun."""
    record: GenerationRecord | None = None
    """Set when the job is over, if it had begun."""
    error: str | None = None
    """What went wrong and how to mend it."""
    asked_wrongly: bool = False
    """Whether the request itself has to be changed."""
    error_type: str = ""
    """The class of our error, as in `Failed`."""
    pictures: tuple[str, ...] = ()
    """Paths of what was saved."""

    def after(self, event: Event) -> Job:
        """The job as it stands after one more event of its run."""
        match event:
            case Started(seed=seed):
                return self.model_copy(update={"seed": seed})
            case Saved(path=path):
                return self.model_copy(update={"pictures": (*self.pictures, path)})
            case _:
                return self

    def rest(self) -> Job | None:
        """What is still to be made of a job that was not finished, as a job of the same id: it
        makes the pictures that are missing. None if there is nothing left to do, or nobody wants
        it."""
        if self.is_unwanted or self.state in (JobState.DONE, JobState.FAILED):
            return None
        request, done = self.request, len(self.pictures)
        if done >= request.num_images_per_prompt:
            return None
        if self.seed is not None:
            request = request.changed(
                seed=(self.seed + done) % (MAX_SEED + 1),
                num_images_per_prompt=request.num_images_per_prompt - done,
            )
        return Job(id=self.id, request=request, output=self.output)
