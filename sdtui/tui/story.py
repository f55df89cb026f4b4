"""What a running job's events come to on the screen: one line of the log, and where it stands."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import IntEnum

from sdtui.core import events
from sdtui.core.errors import SdtuiError
from sdtui.core.text import one_line

_STAGES = {
    "load": "loading",
    "encode": "reading the prompt",
    "denoise": "denoising",
    "decode": "decoding",
}


class Level(IntEnum):
    """How much a line of the log matters."""

    STEP = 0
    NEWS = 1
    GOOD = 2
    WARNING = 3
    ERROR = 4


@dataclass(frozen=True)
class LogLine:
    """One line of the log."""

    time: float
    level: Level
    text: str

    @property
    def clock(self) -> str:
        """When, as people read it."""
        return datetime.fromtimestamp(self.time).strftime("%H:%M:%S")


def gibibytes(count: float) -> str:
    """Bytes in the unit that memory is counted in."""
    return f"{count / 2**30:.1f}" if count < 100 * 2**30 else f"{count / 2**30:.0f}"


def data_size(count: float) -> str:
    """Bytes with the unit that suits them."""
    if count < 100 * 2**20:
        return f"{count / 2**20:.1f} MiB"
    return f"{count / 2**20:.0f} MiB" if count < 2**30 else f"{gibibytes(count)} GiB"


def duration(seconds: float) -> str:
    """A time span, short."""
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def log_line(envelope: events.JobEvent) -> LogLine | None:
    """The line that an event is worth, or None."""
    found = _told(envelope.event)
    return LogLine(envelope.time, found[0], one_line(found[1])) if found else None


def _told(event: events.Event) -> tuple[Level, str] | None:
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
        case events.Failed(error=error, mend=mend):
            return Level.ERROR, f"failed: {SdtuiError(error, mend)}"
        case events.Cancelled():
            return Level.WARNING, "cancelled"
        case _:
            return None


def attempt_text(event: events.Attempt) -> str:
    """What ran out of memory, and what is tried now."""
    return f"out of memory while {_STAGES[event.stage]}: {event.changes} (attempt {event.number})"


@dataclass(frozen=True)
class Progress:
    """Where the running job stands."""

    job: str = ""
    loading: str = ""
    """The id under which a model is loaded that no job needs yet."""
    stage: str = ""
    step: int = 0
    total: int = 0
    speed: float = 0.0
    remaining: float = 0.0
    attempt: int = 1
    tried: str = ""
    """What the last attempt changed."""
    memory_peak: int = 0
    saved: int = 0
    """Pictures of the job that are on disk."""
    stopping: str = ""
    """What was said of its end, once it was asked to stop."""
    outcome: Level | None = None
    """GOOD, WARNING (cancelled) or ERROR once the job is over."""
    message: str = ""
    """What came of it, or what is going on beside the steps."""

    def after(self, envelope: events.JobEvent) -> Progress:
        """Where it stands after one more event."""
        event = envelope.event
        match event:
            case events.Started():
                return Progress(job=envelope.job, stage="starting")
            case events.EngineStarting():
                return replace(self._loading(envelope.job), stage="starting", message="torch")
            case events.Loading(component=component, number=number, total=total):
                before = self._loading(envelope.job)
                return replace(before, stage="loading", step=number, total=total, message=component)
            case events.Downloading(done=done, total=total, speed=speed):
                rate = f"{data_size(done)} of {data_size(total)}, {data_size(speed)}/s"
                before = self._loading(envelope.job)
                return replace(before, stage="downloading", step=done, total=total, message=rate)
            case events.StageStarted(stage=stage):
                return replace(self, stage=_STAGES[stage], step=0, total=0, message="")
            case events.Step():
                return replace(
                    self,
                    stage=_STAGES["denoise"],
                    step=event.step,
                    total=event.total,
                    speed=event.it_per_second,
                    remaining=event.remaining,
                    memory_peak=max(self.memory_peak, event.memory_peak),
                    message="",
                )
            case events.Saved():
                return replace(self, saved=self.saved + 1)
            case events.Attempt():
                return replace(self, attempt=event.number, tried=attempt_text(event), step=0)
            case events.Finished() | events.Failed() | events.Cancelled() | events.Loaded():
                return self._ended(event, envelope)
            case _:
                return self

    def _loading(self, job: str) -> Progress:
        """What is loaded, if not for the running job, is for none yet."""
        return self if job in (self.job, self.loading) else Progress(loading=job)

    def _ended(
        self,
        event: events.Finished | events.Failed | events.Cancelled | events.Loaded,
        envelope: events.JobEvent,
    ) -> Progress:
        line = log_line(envelope)
        text = line.text if line else ""
        if isinstance(event, events.Loaded):
            return replace(self, stage="", step=0, total=0, message=text, loading="", stopping="")
        if self.is_running and envelope.job != self.job:
            return self  # a waiting job was taken out; the running one goes on
        if self.saved and not isinstance(event, events.Finished):
            text += f" after {self.saved} of its pictures had been saved"
        return replace(self, outcome=line.level if line else None, message=text)

    @property
    def is_running(self) -> bool:
        """Whether a job is under way."""
        return bool(self.job) and self.outcome is None
