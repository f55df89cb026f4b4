"""What a running job's events come to on the screen: one line of the log, and where it stands."""

from __future__ import annotations

from dataclasses import replace

from sdtui.core.text import one_line
from sdtui.core.units import data_size, duration, gibibytes
from sdtui.requests import events
from sdtui.tui.job_progress import Level, LogLine, Progress

_STAGES = {
    "load": "loading",
    "encode": "reading the prompt",
    "denoise": "denoising",
    "decode": "decoding",
}


def log_line(envelope: events.JobEvent) -> LogLine | None:
    """The line that an event is worth, or None."""
    found = _format(envelope.event)
    return LogLine(envelope.time, found[0], one_line(found[1])) if found else None


def _format(event: events.Event) -> tuple[Level, str] | None:
    match event:
        case events.EngineStarting():
            return Level.STEP, "starting torch"
        case events.Loading(component=component, number=number, total=total):
            return Level.STEP, f"loading {component} ({number} of {total})"
        case events.Loaded(model=model, device=device, dtype=dtype, seconds=seconds):
            return Level.NEWS, f"{model} is ready on {device} in {dtype} after {duration(seconds)}"
        case events.Started(seed=seed):
            return Level.NEWS, f"started with seed {seed}"
        case events.Estimated(estimate=estimate, free=free, memory_mode=mode):
            needs = f"about {gibibytes(estimate)} GiB expected, {gibibytes(free)} GiB free"
            return Level.STEP, f"{needs}; memory mode {mode}"
        case events.Truncated(truncation=cut):
            words = f"{cut.tokens} tokens, {cut.limit} fit; not seen: {cut.cut}"
            return Level.WARNING, f"{cut.field.replace('_', ' ')} cut off: {words}"
        case events.StageStarted(stage=stage):
            return Level.STEP, _STAGES[stage]
        case events.Attempt():
            return Level.WARNING, attempt_text(event)
        case events.Step(step=step, total=total, seconds=seconds):
            return Level.STEP, f"step {step}/{total}, {seconds:.2f} s"
        case events.Notice(message=message):
            return Level.WARNING, message
        case events.Saved(path=path):
            return Level.GOOD, f"saved {path}"
        case events.Finished(record=record):
            return Level.GOOD, f"finished after {duration(record.generation_time)}"
        case events.Failed():
            return Level.ERROR, f"failed: {event}"
        case events.Cancelled():
            return Level.WARNING, "cancelled"
        case _:
            return None


def attempt_text(event: events.Attempt) -> str:
    """What ran out of memory, and what is tried now."""
    return f"out of memory while {_STAGES[event.stage]}: {event.changes} (attempt {event.number})"


def progress_after(before: Progress, envelope: events.JobEvent) -> Progress:
    """Where a job stands after one more event."""
    event = envelope.event
    match event:
        case events.Started():
            return Progress(job=envelope.job, stage="starting")
        case events.EngineStarting():
            return replace(_loading(before, envelope), stage="starting", message="torch")
        case events.Loading(component=component, number=number, total=total):
            now = _loading(before, envelope)
            return replace(now, stage="loading", step=number, total=total, message=component)
        case events.Downloading(done=done, total=total, speed=speed):
            rate = f"{data_size(done)} of {data_size(total)}, {data_size(speed)}/s"
            now = _loading(before, envelope)
            return replace(now, stage="downloading", step=done, total=total, message=rate)
        case events.StageStarted(stage=stage):
            return replace(before, stage=_STAGES[stage], step=0, total=0, message="")
        case events.Step():
            return replace(
                before,
                stage=_STAGES["denoise"],
                step=event.step,
                total=event.total,
                first_image=event.first_image,
                batch_size=event.batch_size,
                speed=event.it_per_second,
                remaining=event.remaining,
                memory_peak=max(before.memory_peak, event.memory_peak),
                message="",
            )
        case events.Saved():
            return replace(before, saved=before.saved + 1)
        case events.Attempt():
            return replace(before, attempt=event.number, tried=attempt_text(event), step=0)
        case events.Finished() | events.Failed() | events.Cancelled() | events.Loaded():
            return _ended(before, event, envelope)
        case _:
            return before


def _loading(before: Progress, envelope: events.JobEvent) -> Progress:
    """What is loaded, if not for the running job, is for none yet."""
    job = envelope.job
    return before if job in (before.job, before.loading) else Progress(loading=job)


def _ended(
    before: Progress,
    event: events.Finished | events.Failed | events.Cancelled | events.Loaded,
    envelope: events.JobEvent,
) -> Progress:
    line = log_line(envelope)
    text = line.text if line else ""
    if isinstance(event, events.Loaded):
        return replace(before, stage="", step=0, total=0, message=text, loading="", stopping="")
    if before.is_running and envelope.job != before.job:
        return before  # a waiting job was taken out; the running one goes on
    if before.saved and not isinstance(event, events.Finished):
        text += f" after {before.saved} of its pictures had been saved"
    return replace(before, outcome=line.level if line else None, message=text)
