"""Runs one job: the generator makes the pictures, the store saves them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

from sdtui.core.cancellation import Cancellation
from sdtui.core.enums import JobState, PictureFormat
from sdtui.core.errors import CancelledError, GenerationError, InvalidRequestError, SdtuiError
from sdtui.jobs.generator import Generator, OnImage, Result
from sdtui.jobs.job import Job, Output
from sdtui.jobs.parts import JobPart, joined, parts_of
from sdtui.jobs.sheet_store import SheetStore
from sdtui.jobs.upscaled import upscaled_record
from sdtui.requests.events import (
    Attached,
    Cancelled,
    Event,
    Failed,
    FinalEvent,
    Finished,
    Notice,
    Report,
    Saved,
    Started,
)
from sdtui.requests.record import GenerationRecord, ImageRecord, JobPlace
from sdtui.requests.request import GenerationRequest

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
        image: Image.Image,
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


@dataclass
class UnsavedPicture:
    """A finished picture that isn't written, or could not be."""

    image: Image.Image
    record: GenerationRecord
    index: int
    attachments: Mapping[str, bytes] = field(default_factory=dict)
    """PNG files to keep beside it, by name."""


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


def carry_out(
    job: Job,
    generator: Generator,
    store: PictureStore,
    report: Report,
    cancellation: Cancellation,
) -> JobOutcome:
    """Make and save a job's pictures. An SdtuiError becomes part of the outcome."""
    request = job.request.with_seed()
    is_made = request.upscale.image is None  # else only enlarged
    seed = request.seed if is_made else None
    report(Started(seed=seed, num_images=request.num_images_per_prompt))
    for notice in job.notices:
        report(Notice(message=notice))
    source = job.request.upscale.image
    source_record = None if source is None else store.record_of_file(source)
    saved: dict[int, ImageRecord] = {}
    outcome = JobOutcome(Cancelled())
    problems: list[SdtuiError] = []
    attachments: dict[str, bytes] = {}
    of_job = {"job": JobPlace(id=job.id, first=job.first), "grid": job.grid}

    def note(event: Event) -> None:
        if isinstance(event, Attached):
            attachments[event.name] = event.png
        else:
            report(event)

    def on_image(index: int, image: Image.Image, record: GenerationRecord) -> None:
        record = record.model_copy(update=of_job)
        if source is not None:
            record = upscaled_record(record, source_record)
        picture = UnsavedPicture(image, record, index, dict(attachments))
        try:
            file = save_picture(store, picture, job.output)
        except SdtuiError as error:
            _log.warning("picture %d of job %s isn't saved: %s", index + 1, job.id, error)
            outcome.unsaved.append(picture)
            if not job.output.continues_unsaved:
                raise
            problems.append(error)
            return
        saved[index] = file.record.images[0]
        report(Saved(image_index=index, seed=file.record.seed, path=str(file.path)))

    error, record = _make_parts(job, request, generator, note, cancellation, on_image)
    images = tuple(saved.get(image.index, image) for image in record.images)
    record = record.model_copy(update={"images": images, **of_job})
    if source is not None:
        record = upscaled_record(record, source_record)
    outcome.event = _closing_event(error or next(iter(problems), None), record)
    return outcome


def _make_parts(
    job: Job,
    request: GenerationRequest,
    generator: Generator,
    report: Report,
    cancellation: Cancellation,
    on_image: OnImage,
) -> tuple[SdtuiError | None, GenerationRecord]:
    """Make the pictures of a job, part by part, until one fails. Returns its error, and the record
    of all. `request` is the job's with its seed."""
    records: list[GenerationRecord] = []
    noticed = set(job.notices)

    def report_once(event: Event) -> None:
        """Report an event, but not what another part of the job had noticed too."""
        if isinstance(event, Notice):
            if event.message in noticed:
                return
            noticed.add(event.message)
        report(event)

    def joint(part: JobPart, record: GenerationRecord) -> GenerationRecord:
        if not job.prompts:
            return record
        return joined([*records, part.placed_record(record)], request, job.notices)

    def make(part: JobPart) -> Result:
        return generator.generate_with_fallback(
            part.request,
            report=lambda event: report_once(part.placed(event)),
            cancellation=cancellation,
            on_image=lambda index, image, record: on_image(
                part.first + index, image, joint(part, record)
            ),
        )

    for part in parts_of(job, request):
        result = make(part)
        record = joint(part, result.record)
        if result.error is not None:
            return result.error, record
        records.append(part.placed_record(result.record))
    return None, record


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
