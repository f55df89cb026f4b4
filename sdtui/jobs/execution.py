"""Carries out one job: a worker makes the pictures, the store saves them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

from sdtui.core.cancellation import Cancellation
from sdtui.core.enums import JobState, PictureFormat
from sdtui.core.errors import (
    CancelledError,
    GenerationError,
    InvalidRequestError,
    SdtuiError,
    WorkerLostError,
)
from sdtui.jobs.job import MOST_LOSSES, Job, Output
from sdtui.jobs.sheet_store import SheetStore
from sdtui.jobs.workers.worker import Assignment, Result, UnsavedPicture, Worker
from sdtui.requests.events import (
    Cancelled,
    Failed,
    FinalEvent,
    Finished,
    Notice,
    Report,
    Saved,
    Started,
)
from sdtui.requests.record import GenerationRecord, ImageRecord

if TYPE_CHECKING:
    from pathlib import Path

    from PIL import Image

_log = logging.getLogger(__name__)
_STATE_AFTER = {
    "finished": JobState.DONE,
    "failed": JobState.FAILED,
    "cancelled": JobState.CANCELLED,
}


class SavedFile(Protocol):
    """A picture that a store has saved."""

    @property
    def path(self) -> Path: ...

    @property
    def record(self) -> GenerationRecord:
        """The picture's own record, with path and hash."""
        ...


class PictureStore(SheetStore, Protocol):
    """Saves pictures; `History` is one."""

    def record_of_file(self, path: Path) -> GenerationRecord | None:
        """Return the record of any picture's file; None if it doesn't say how it was made."""
        ...

    def save(
        self,
        image: Image.Image | bytes,
        record: GenerationRecord,
        index: int,
        *,
        folder: Path | None = None,
        file: Path | None = None,
        format: PictureFormat = "png",
        attachments: Mapping[str, bytes] = MappingProxyType({}),
    ) -> SavedFile:
        """Save picture `index` and its record: to `file`, to `folder`, or to the store's default
        folder. `attachments` are PNG files to keep beside it. Raises OutputError."""
        ...


def save_picture(store: PictureStore, picture: UnsavedPicture, output: Output) -> SavedFile:
    """Save a picture to its job's output. Raises OutputError."""
    return store.save(
        picture.image,
        picture.record,
        picture.index,
        folder=output.folder,
        file=output.file,
        format=output.format,
        attachments=picture.attachments,
    )


@dataclass
class JobOutcome:
    """How a job ended."""

    event: FinalEvent
    unsaved: list[UnsavedPicture] = field(default_factory=list)


class JobSaver:
    """Saves the pictures of a job at home, whichever workers make them: each once.

    Every attempt to make them has a number. What a worker sends after it was given up on belongs to
    an older attempt and is refused.
    """

    def __init__(self, job: Job, store: PictureStore) -> None:
        self.job = job.model_copy(update={"request": job.request.with_seed()})
        """With the seed that all attempts have."""
        self._store = store
        self._attempt = 0
        self._saved: dict[int, ImageRecord] = {}
        self._unsaved: list[UnsavedPicture] = []
        self._problems: list[SdtuiError] = []

    def begin(self) -> Assignment:
        """Return the work that is left, for a new attempt."""
        self._attempt += 1
        source = self.job.request.upscale.image
        record = None if source is None else self._store.record_of_file(source)
        done = len(self._saved) + len(self._unsaved)
        return Assignment(self.job, self._attempt, done, record)

    def save(self, picture: UnsavedPicture, attempt: int, report: Report) -> None:
        """Save a picture. Raises SdtuiError if it can't be written and the job shouldn't go on, and
        WorkerLostError if the attempt is over."""
        index, job = picture.index, self.job
        if attempt != self._attempt:
            raise WorkerLostError(f"attempt {attempt} of job {job.id} is over")
        try:
            file = save_picture(self._store, picture, job.output)
        except SdtuiError as error:
            _log.warning("picture %d of job %s isn't saved: %s", index + 1, job.id, error)
            self._unsaved.append(picture)
            if not job.output.continues_unsaved:
                raise
            self._problems.append(error)
            return
        self._saved[index] = file.record.images[0]
        report(Saved(image_index=index, seed=file.record.seed, path=str(file.path)))

    def outcome(self, result: Result) -> JobOutcome:
        """Return how the job ended, from the result of the last attempt."""
        images = {**{each.index: each for each in result.record.images}, **self._saved}
        in_order = tuple(images[index] for index in sorted(images))
        record = result.record.model_copy(update={"images": in_order})
        error = result.error or next(iter(self._problems), None)
        return JobOutcome(_closing_event(error, record), self._unsaved)

    def given_up(self, event: FinalEvent) -> JobOutcome:
        """Return how the job ended if no attempt ended it."""
        return JobOutcome(event, self._unsaved)


def carry_out(
    saver: JobSaver, worker: Worker, report: Report, cancellation: Cancellation
) -> JobOutcome:
    """Let a worker make the pictures of a job that aren't made yet, and save them. An SdtuiError
    becomes part of the outcome. Raises WorkerLostError."""
    assignment = saver.begin()
    job = assignment.job
    is_made = job.request.upscale.image is None  # else only enlarged
    seed = job.request.seed if is_made else None
    report(Started(seed=seed, num_images=job.request.num_images_per_prompt))
    for notice in job.notices:
        report(Notice(message=notice))
    result = worker.run(
        assignment,
        report,
        lambda picture: saver.save(picture, assignment.attempt, report),
        cancellation,
    )
    return saver.outcome(result)


def finished_job(job: Job, outcome: JobOutcome) -> Job:
    """Return the job in its final state."""
    event = outcome.event
    failed = event if isinstance(event, Failed) else None
    return job.model_copy(
        update={
            "state": _STATE_AFTER[event.kind],
            "record": event.record,
            "error": str(failed) if failed else None,
            "is_user_error": failed is not None and failed.is_user_error,
            "error_type": failed.error_type if failed else "",
        }
    )


def _closing_event(error: SdtuiError | None, record: GenerationRecord) -> FinalEvent:
    if error is None:
        return Finished(record=record)
    if isinstance(error, CancelledError):
        return Cancelled(record=record)
    return failed_event(error, record)


def end_by_loss(job: Job) -> Failed | None:
    """Return how a job ends whose worker was lost; None if another should go on with it."""
    if job.losses + 1 < MOST_LOSSES:
        return None
    what = f"{MOST_LOSSES} workers died while they made this job"
    hint = "The log says how they ended; another memory mode may help"
    return failed_event(WorkerLostError(what, hint))


def failed_event(error: SdtuiError, record: GenerationRecord | None = None) -> Failed:
    """Return the event for an error."""
    return Failed(
        error=error.what,
        hint=error.hint,
        is_user_error=isinstance(error, InvalidRequestError),
        error_type=type(error).__name__,
        stage=error.stage if isinstance(error, GenerationError) else None,
        record=record,
    )
