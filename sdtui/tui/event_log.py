"""Log lines and visible progress for jobs' events."""

from __future__ import annotations

from dataclasses import replace

from sdtui.core.text import counted, one_line
from sdtui.jobs.event_text import (
    cancelled_text,
    component_text,
    event_text,
    images_text,
    pass_text,
    ready_text,
    stage_text,
)
from sdtui.jobs.progress import JobProgress
from sdtui.requests import events
from sdtui.tui.job_progress import LogLine, ShownProgress


def log_line(envelope: events.JobEvent, progress: JobProgress) -> LogLine | None:
    """Return the log line for an event, or None. `progress` is the job's after the event."""
    event = envelope.event
    if isinstance(event, events.Downloading):
        return None  # several a second; the first line shows them
    found = event_text(event)
    if found is None:
        return None
    text = _cancelled(progress, event) if isinstance(event, events.Cancelled) else found.text
    return LogLine(envelope.time, found.level, one_line(text))


def shown_progress(progress: JobProgress) -> ShownProgress:
    """Return a job's progress as the first line shows it."""
    attempt = progress.attempt
    shown = ShownProgress(
        job=progress.job,
        is_running=progress.is_running,
        step=progress.done,
        total=progress.total,
        which=" · ".join(filter(None, (pass_text(progress.of_pass), images_text(progress)))),
        attempt=attempt.number if attempt else 1,
    )
    if progress.final is not None:
        return _ended(shown, progress, progress.final)
    match progress.activity:
        case events.Started():
            return replace(shown, stage="starting")
        case events.EngineStarting():
            return replace(shown, stage="loading PyTorch")
        case events.Loading(component=component):
            return replace(shown, stage="loading", message=one_line(component_text(component)))
        case events.Downloading() as event:
            return replace(shown, stage="downloading", message=_text(event))
        case events.Loaded() as event:
            return replace(shown, message=one_line(ready_text(event)))
        case events.StageStarted(stage=stage):
            return replace(shown, stage=stage_text(stage))
        case events.Tile():
            return replace(shown, stage=stage_text(progress.stage))
        case events.Step(it_per_second=speed, remaining=remaining):
            denoising = stage_text(progress.stage)
            return replace(shown, stage=denoising, speed=speed, remaining=remaining)
        case _:
            return shown


def shown_after(before: ShownProgress, progress: JobProgress) -> ShownProgress:
    """Return the visible progress after an event. A running job stays visible during events of
    other jobs and preloads; a waiting job is not shown."""
    is_same = before.job == progress.job
    if before.is_running and not is_same:
        return before
    shown = shown_progress(progress)
    if is_same and shown.is_active:
        shown = replace(shown, stopping=before.stopping)
    is_worth_showing = shown.is_active or shown.outcome is not None or shown.message
    return shown if is_worth_showing else before


def _ended(shown: ShownProgress, progress: JobProgress, event: events.FinalEvent) -> ShownProgress:
    found = event_text(event)
    assert found is not None
    parts = [_cancelled(progress, event) if isinstance(event, events.Cancelled) else found.text]
    count = len(progress.saved)
    if count and not isinstance(event, events.Finished):
        parts.append(f"{counted(count, 'picture')} saved")
    return replace(shown, outcome=found.level, message=one_line(" · ".join(parts)))


def _cancelled(progress: JobProgress, event: events.Cancelled) -> str:
    step = progress.step
    return cancelled_text(
        event.record.generation_time if event.record else None,
        progress.stage,
        (step.step, step.total) if step else None,
    )


def _text(event: events.Event) -> str:
    found = event_text(event)
    return one_line(found.text) if found else ""
