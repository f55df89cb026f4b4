"""A job as interfaces see it: an immutable snapshot, replaced after every change."""

from __future__ import annotations

import secrets
from dataclasses import replace
from pathlib import Path

from pydantic import AliasChoices, BaseModel, ConfigDict, Field

from sdtui.core.enums import JobState, PictureFormat
from sdtui.jobs.progress import JobProgress
from sdtui.jobs.prompts import PicturePrompts, ResolvedPrompts
from sdtui.requests.grids import GridPlace
from sdtui.requests.record import GenerationRecord
from sdtui.requests.request import GenerationRequest

MOST_LOSSES = 2
"""How many processes may end unexpectedly while they make a job; then it is not begun again."""


class Output(BaseModel):
    """Where a job's pictures are saved, if not in the pictures folder."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    folder: Path | None = None
    file: Path | None = None
    """The path of a job's only picture; its suffix sets the format."""
    format: PictureFormat = "png"
    owner: str = ""
    """The name of the API key with which a server was asked for them; else empty."""
    continues_unsaved: bool = False
    """True if the job makes its other pictures too when one can't be written. All of them are held
    in memory."""


class Job(BaseModel):
    """A snapshot of a job."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    id: str
    request: GenerationRequest
    prompts: tuple[PicturePrompts, ...] = ()
    """Those of each picture, if the request's are templates; else all have the request's."""
    notices: tuple[str, ...] = ()
    """What the user should know about the prompts."""
    output: Output = Output()
    grid: GridPlace | None = None
    """The place in a grid. The jobs of a grid belong together."""
    client: str = ""
    """Who queued it, where several people share the workers."""
    state: JobState = JobState.QUEUED
    first: int = 0
    """Index of its first picture: not 0 if those before it were made before a restart."""
    losses: int = 0
    """How many processes have ended unexpectedly while they made it: it may be the cause."""
    is_cancelled: bool = Field(False, validation_alias=AliasChoices("is_cancelled", "is_unwanted"))
    """True if a user cancelled it; false if it was only stopped by shutdown (then it resumes).
    Version 0.1 wrote `is_unwanted`."""
    seed: int | None = None
    """Of the first picture, once the job has begun."""
    record: GenerationRecord | None = None
    """Set when the job is over, if it had begun."""
    error: str | None = None
    """The error and its hint."""
    is_user_error: bool = Field(
        False, validation_alias=AliasChoices("is_user_error", "asked_wrongly")
    )
    """True if the request itself must be changed. Version 0.1 wrote `asked_wrongly`."""
    error_type: str = ""
    """The name of the SdtuiError's class, as in `Failed`."""
    pictures: tuple[str, ...] = ()
    """Paths of the saved pictures."""
    last_step: tuple[int, int] | None = None
    """The last denoising step and their number, once the job is over."""

    def with_progress(self, progress: JobProgress) -> Job:
        """Return the job with the seed and the pictures of its progress."""
        found = {"seed": progress.seed, "pictures": progress.paths}
        if (self.seed, self.pictures) == (progress.seed, progress.paths):
            return self
        return self.model_copy(update=found)

    @property
    def has_remaining(self) -> bool:
        """True if pictures of an unfinished job are missing, and no user cancelled it."""
        if self.is_cancelled or self.state in (JobState.DONE, JobState.FAILED):
            return False
        return len(self.pictures) < self.request.num_images_per_prompt

    def after_loss(self) -> Job:
        """Return a job whose process has ended, or whose worker, with the loss counted if it was
        being made."""
        if self.state is JobState.QUEUED:
            return self
        return self.model_copy(update={"losses": self.losses + 1})

    def remaining(self) -> Job | None:
        """Return a job of the same id for the missing pictures, or None if there are none."""
        if not self.has_remaining:
            return None
        request, done = self.request, len(self.pictures)
        if self.seed is not None:
            request = replace(request, seed=self.seed).without_first(done)
        return Job(
            id=self.id,
            request=request,
            prompts=self.prompts[done:],
            notices=self.notices,
            output=self.output,
            grid=self.grid,
            client=self.client,
            first=self.first + done,
            losses=self.losses,
        )


def new_job(
    resolved: ResolvedPrompts,
    output: Output | None,
    *,
    job_id: str | None = None,
    place: GridPlace | None = None,
    client: str = "",
) -> Job:
    """Return a waiting job for a request with its prompts."""
    return Job(
        id=job_id or new_id(),
        request=resolved.request,
        prompts=resolved.prompts,
        notices=resolved.notices,
        output=output or Output(),
        grid=place,
        client=client,
    )


def new_id() -> str:
    """Return an id for a job or a preload."""
    return secrets.token_hex(6)
