"""All details of a job."""

from __future__ import annotations

from collections.abc import Iterator

from sdtui.core import paths
from sdtui.core.text import visible
from sdtui.jobs import Job, JobState
from sdtui.tui.labelled_line import LabelledLine
from sdtui.tui.record_text import attempt_lines, request_lines

STATES = {
    JobState.QUEUED: "queued",
    JobState.RUNNING: "generating",
    JobState.CANCELLING: "stopping",
    JobState.DONE: "done",
    JobState.FAILED: "failed",
    JobState.CANCELLED: "cancelled",
}
"""A word for each state."""


def job_details(job: Job) -> Iterator[LabelledLine]:
    """Yield a job's request, state, attempts, notices and saved files."""
    yield from request_lines(job.request.values())
    yield LabelledLine("State", STATES[job.state])
    if job.error:
        yield LabelledLine("Error", visible(job.error))
    if job.record is not None:
        yield from attempt_lines(job.record, job.last_step)
        yield from (LabelledLine("Notice", visible(notice)) for notice in job.record.notices)
    yield from (LabelledLine("Saved", visible(path)) for path in job.pictures)
    if job.state is JobState.FAILED:
        yield LabelledLine("Log", f"{paths.log_file()} has every traceback")
