"""All details of a job as text."""

from __future__ import annotations

from rich.text import Text

from sdtui.core import paths
from sdtui.core.text import one_line, visible
from sdtui.core.units import duration
from sdtui.jobs import Job, JobState

_STATES = {
    JobState.QUEUED: "waits",
    JobState.RUNNING: "is being made",
    JobState.CANCELLING: "is being stopped",
    JobState.DONE: "done",
    JobState.FAILED: "failed",
    JobState.CANCELLED: "cancelled",
}


def job_details(job: Job) -> Text:
    """Return a job's state, attempts, notices, saved files and request."""
    text = Text()
    _part(text, "state", _STATES[job.state])
    if job.error:
        _part(text, "error", visible(job.error))
    record = job.record
    for attempt in record.attempts if record else ():
        why = "went well"
        if attempt.error:
            why = f"failed while in {attempt.stage}: {attempt.error.rstrip('.')}"
        changes = f"{attempt.changes}: " if attempt.changes else ""
        summary = f"{changes}{why}, after {duration(attempt.seconds)}"
        _part(text, f"attempt {attempt.number}", one_line(summary))
    for notice in record.notices if record else ():
        _part(text, "notice", one_line(notice))
    for path in job.pictures:
        _part(text, "saved", one_line(path))
    for name, value in job.request.values().items():
        if value not in (None, "", ()):
            _part(text, name, visible(str(value), keep="\n"))
    if job.state is JobState.FAILED:
        text.append(f"\nThe log has every traceback: {paths.log_file()}\n", "dim")
    return text


def _part(text: Text, name: str, value: str) -> None:
    text.append(f"{name}  ", "bold").append(f"{value}\n")
