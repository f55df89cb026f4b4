"""The training that goes on, as the first line and the queue show it: a fold over its events."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sdtui.core.enums import EventLevel
from sdtui.core.text import one_line
from sdtui.core.units import clock_duration
from sdtui.jobs.training_event_text import training_event_text
from sdtui.requests.events import Training, TrainingProgress
from sdtui.requests.training.events import (
    Paused,
    Preparing,
    TrainingFailed,
    TrainingFinished,
    TrainingStep,
)
from sdtui.tui.job_progress import ShownProgress

_MOST_AVERAGED = 50
"""Steps of the average time of a step."""


@dataclass(frozen=True)
class TrainingPlace:
    """How far a training is."""

    name: str = ""
    """"" while none is carried out."""
    step: int = 0
    steps: int = 0
    step_seconds: float = 0.0
    """On average."""
    averaged: int = 0
    """Steps of that average."""

    def after(self, envelope: Training | TrainingProgress) -> TrainingPlace:
        """Return the place after another event."""
        match envelope.event:
            case TrainingStep() as step:
                known = self if self.name == envelope.name else TrainingPlace(envelope.name)
                averaged = min(known.averaged + 1, _MOST_AVERAGED)
                seconds = known.step_seconds + (step.seconds - known.step_seconds) / averaged
                return TrainingPlace(envelope.name, step.step, step.steps, seconds, averaged)
            case Preparing():
                return TrainingPlace(envelope.name)
            case Paused() | TrainingFinished() | TrainingFailed():
                return TrainingPlace()
            case _:
                return self

    @property
    def seconds_left(self) -> float:
        """Until the last step."""
        return self.step_seconds * (self.steps - self.step)

    @property
    def text(self) -> str:
        """How far it is, for the queue."""
        name = one_line(self.name)
        if not self.steps:
            return f"prepares the training {name}"
        left = clock_duration(self.seconds_left)
        return f"trains {name} · {self.step}/{self.steps} · {left} left"


def shown_training(
    before: ShownProgress, task: str, event: Training | TrainingProgress, place: TrainingPlace
) -> ShownProgress:
    """Return the visible progress after an event of a training, whose place is `place` then. A
    running job stays visible."""
    if before.is_running:
        return before
    name = one_line(event.name)
    shown = ShownProgress(job=task, stage="training", message=name, training=event.name)
    match event.event:
        case Preparing(what=what, done=done, total=total):
            return replace(shown, stage=f"preparing {what}", step=done, total=total)
        case TrainingStep():
            speed = 1 / max(place.step_seconds, 1e-6)
            shown = replace(shown, step=place.step, total=place.steps, speed=speed)
            return replace(shown, remaining=place.seconds_left)
        case Paused() | TrainingFinished() | TrainingFailed() as end:
            level, text = training_event_text(end)
            outcome = EventLevel.WARNING if isinstance(end, Paused) else level
            message = f"{name} {one_line(text)}"
            return ShownProgress(job=task, outcome=outcome, message=message, training=event.name)
        case _:
            return before
