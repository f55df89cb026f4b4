"""Text for events: a level and a sentence. It may contain text from any source, so escape it before
display."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from sdtui.core.enums import EventLevel
from sdtui.core.text import one_line
from sdtui.core.units import data_size, duration, gibibytes, step_rate
from sdtui.jobs.progress import JobProgress
from sdtui.jobs.training_event_text import training_event_text
from sdtui.jobs.worker_status import WorkerStatus
from sdtui.requests.events import Attempt, Downloading, Event, Loaded, Loading, Step, Truncated
from sdtui.requests.record import PassPlace, Stage

_STAGES = {
    "load": "loading",
    "encode": "encoding prompt",
    "prepare": "preparing",
    "denoise": "denoising",
    "decode": "decoding",
    "upscale": "upscaling",
}

_COMPONENTS = {"unet": "U-Net", "vae": "VAE"}


class EventText(NamedTuple):
    """The text of an event."""

    level: EventLevel
    text: str


def event_text(event: Event) -> EventText | None:
    """Return the text of an event, or None if it has none."""
    if event.kind == "training":
        level, text = training_event_text(event.event)
        return EventText(level, f"{event.name}: {text}") if text else None
    line = _text(event)
    return EventText(_LEVELS.get(event.kind, EventLevel.DETAIL), line) if line else None


_LEVELS = {
    "started": EventLevel.INFO,
    "loaded": EventLevel.INFO,
    "truncated": EventLevel.WARNING,
    "attempt": EventLevel.WARNING,
    "notice": EventLevel.WARNING,
    "worker_lost": EventLevel.WARNING,
    "worker_joined": EventLevel.INFO,
    "worker_away": EventLevel.WARNING,
    "saved": EventLevel.SUCCESS,
    "sheet": EventLevel.SUCCESS,
    "finished": EventLevel.SUCCESS,
    "failed": EventLevel.ERROR,
    "cancelled": EventLevel.WARNING,
}


def _text(event: Event) -> str:
    match event.kind:
        case "queued":
            jobs = "1 job" if event.position == 1 else f"{event.position} jobs"
            return f"queued behind {jobs}" if event.position else ""
        case "engine_starting":
            return "loading PyTorch"
        case "started":
            return "started" if event.seed is None else f"started with seed {event.seed}"
        case "loading":
            return _loading(event)
        case "downloading":
            return _downloading(event)
        case "downloaded":
            return f"{event.model} is downloaded"
        case "loaded":
            return _loaded(event)
        case "estimated":
            need, free = gibibytes(event.estimate), gibibytes(event.free)
            mode = _words(event.memory_mode)
            return f"expected peak {need} of {free} GiB free · {mode} memory"
        case "truncated":
            return _truncated(event)
        case "stage":
            return " · ".join(filter(None, (stage_text(event.stage), pass_text(event.of_pass))))
        case "attempt":
            return _attempt(event)
        case "step":
            return f"step {event.step}/{event.total}, {event.seconds:.2f} s"
        case "tile":
            return f"upscaled tile {event.tile} of {event.total}"
        case "notice":
            return event.message
        case "saved":
            seed = "" if event.seed is None else f" (seed {event.seed})"
            return f"saved {event.path}{seed}"
        case "sheet":
            return f"saved the sheet {event.path}"
        case "worker_lost":
            return f"{event.error}: the missing pictures are made again"
        case "worker_joined":
            return f"{event.name} has joined"
        case "worker_away":
            return f"{event.name} is away"
        case "finished":
            seconds = event.record.generation_time
            return "finished" if seconds is None else f"finished after {duration(seconds)}"
        case "failed":
            return f"failed: {event}"
        case "cancelled":
            return cancelled_text(event.record.generation_time if event.record else None)
        case _:
            return ""


def stage_text(stage: str) -> str:
    """Return the activity in a stage; an unknown stage is named by its id."""
    return _STAGES.get(stage, _words(stage))


def pass_text(place: PassPlace | None) -> str:
    """Return which pass of how many it is; "" if the run has only one."""
    if place is None or place.count == 1:
        return ""
    name = f": {place.name}" if place.name else ""
    return f"pass {place.number} of {place.count}{name}"


def cancelled_text(
    seconds: float | None, stage: str | None = "", step: tuple[int, int] | None = None
) -> str:
    """Say where and when a job was cancelled: in which stage, at which step of how many."""
    where = f" while {stage_text(stage)}" if stage else ""
    if stage == Stage.DENOISE and step is not None:
        where = f" at step {step[0]} of {step[1]}"
    after = "" if seconds is None else f"{',' if where else ''} after {duration(seconds)}"
    return f"cancelled{where}{after}"


def images_text(progress: JobProgress) -> str:
    """Return which of the job's pictures are in progress; "" if it has only one."""
    if progress.num_images == 1:
        return ""
    step = progress.step
    first = step.first_image + 1 if step else 1
    last = first + (step.batch_size if step else 1) - 1
    which = f"picture {first}" if first == last else f"pictures {first}-{last}"
    return f"{which} of {progress.num_images}"


def loading_text(progress: JobProgress) -> str:
    """Return which component a job loads; "" if it does something else."""
    return _loading(progress.activity) if isinstance(progress.activity, Loading) else ""


def steps_text(step: Step) -> str:
    """Return the progress, speed and remaining time of denoising, and the pass."""
    speed, left = step_rate(step.it_per_second), duration(step.remaining)
    parts = (f"step {step.step}/{step.total}", speed, f"{left} left", pass_text(step.of_pass))
    return "  ".join(filter(None, parts))


def component_text(name: str) -> str:
    """Return what a component of a model is called: "text encoder 2"."""
    return _COMPONENTS.get(name, _words(name))


def _loading(event: Loading) -> str:
    what = component_text(event.component)
    what = f"the {what}" if event.is_part else f"{event.model}: {what}"
    return f"loading {what} ({event.number} of {event.total})"


def _downloading(event: Downloading) -> str:
    return f"{data_size(event.done)} of {data_size(event.total)}, {data_size(event.speed)}/s"


def ready_text(event: Loaded) -> str:
    """Say that a model is loaded, in a few words."""
    return f"{event.model} ready · {duration(event.seconds)}"


def _loaded(event: Loaded) -> str:
    where = f"{event.device} {event.dtype} · {_words(event.memory_mode)} memory"
    return f"{ready_text(event)} · {event.family} · {where}"


def _truncated(event: Truncated) -> str:
    cut = event.truncation
    return (
        f"the {_words(cut.field)} has {cut.tokens} tokens, {_words(cut.encoder)} takes "
        f'{cut.limit}; cut: "{cut.cut}"'
    )


def _attempt(event: Attempt) -> str:
    lossy = "" if event.lossless else ", which changes the picture"
    where = ", ".join(filter(None, (stage_text(event.stage), pass_text(event.of_pass))))
    return f"out of memory while {where}: {event.changes} (attempt {event.number}{lossy})"


def _words(name: str) -> str:
    return name.replace("_", " ")


def workers_text(workers: Iterable[WorkerStatus]) -> str:
    """Say in a line what several workers do."""
    return " · ".join(f"{one_line(each.name)} {_work_of(each)}" for each in workers)


def _work_of(worker: WorkerStatus) -> str:
    loaded = worker.model.loaded
    if worker.is_away:
        return "is away"
    if worker.model.loading is not None:
        return "loads a model"
    if worker.training:
        return f"trains {one_line(worker.training)}"
    if worker.job:
        return "works" if loaded is None else f"works with {one_line(loaded.model)}"
    return "idle" if loaded is None else f"has {one_line(loaded.model)}"
