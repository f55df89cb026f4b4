"""Makes the pictures of an assignment with a generator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sdtui.core.cancellation import Cancellation
from sdtui.core.errors import SdtuiError
from sdtui.jobs.generator import Generator, OnImage, Result
from sdtui.jobs.parts import JobPart, joined, parts_of
from sdtui.jobs.upscaled import upscaled_record
from sdtui.jobs.workers.worker import Assignment, Save, UnsavedPicture
from sdtui.requests.events import Attached, Event, Notice, Report
from sdtui.requests.record import GenerationRecord, JobPlace

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True)
class JobResult:
    """The result of an assignment."""

    record: GenerationRecord
    """Of the pictures of this assignment."""
    error: SdtuiError | None


def run_assignment(
    assignment: Assignment,
    generator: Generator,
    report: Report,
    save: Save,
    cancellation: Cancellation,
) -> JobResult:
    """Make pictures part by part, until one fails. An SdtuiError is part of the result."""
    job = assignment.job
    place = {
        "job": JobPlace(id=job.id, first=job.first),
        "grid": job.grid,
        "owner": job.output.owner,
    }
    attachments: dict[str, bytes] = {}

    def note(event: Event) -> None:
        if isinstance(event, Attached):
            attachments[event.name] = event.png
        else:
            report(event)

    def completed(record: GenerationRecord) -> GenerationRecord:
        record = record.model_copy(update=place)
        is_upscaled = job.request.upscale.image is not None
        return upscaled_record(record, assignment.source) if is_upscaled else record

    def on_image(index: int, image: Image.Image, record: GenerationRecord) -> None:
        save(UnsavedPicture(image, completed(record), index, dict(attachments)))

    result = _run_parts(assignment, generator, note, cancellation, on_image)
    return JobResult(completed(result.record), result.error)


def _run_parts(
    assignment: Assignment,
    generator: Generator,
    report: Report,
    cancellation: Cancellation,
    on_image: OnImage,
) -> JobResult:
    """Make the pictures, and return the record of all parts."""
    job = assignment.job
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
        if not job.prompts and not assignment.done:
            return record
        return joined([*records, part.placed_record(record)], job.request, job.notices)

    def make(part: JobPart) -> Result:
        return generator.generate_with_fallback(
            part.request,
            report=lambda event: report_once(part.placed(event)),
            cancellation=cancellation,
            on_image=lambda index, image, record: on_image(
                part.first + index, image, joint(part, record)
            ),
        )

    for part in parts_of(job, assignment.done):
        result = make(part)
        record = joint(part, result.record)
        if result.error is not None:
            break
        records.append(part.placed_record(result.record))
    return JobResult(record, result.error)
