"""Text for the events of a training."""

from __future__ import annotations

from sdtui.core.enums import EventLevel
from sdtui.core.text import counted
from sdtui.core.units import duration
from sdtui.requests.training.events import TrainingEvent


def training_event_text(event: TrainingEvent) -> tuple[EventLevel, str]:
    """Return a level and what happened, without the training's name; "" for steps and what else
    is shown otherwise."""
    match event.kind:
        case "planned":
            return EventLevel.INFO, f"{counted(event.steps, 'step')} with {event.model} begin"
        case "notice":
            return EventLevel.WARNING, event.text
        case "sample":
            return EventLevel.SUCCESS, f"sample of step {event.step}: {event.path}"
        case "checkpoint":
            return EventLevel.DETAIL, f"checkpoint: {event.path}"
        case "memory_short":
            text = f"Memory ran out in step {event.step}: going on with {event.change}"
            return EventLevel.WARNING, text
        case "paused":
            return EventLevel.INFO, f"paused after step {event.step}"
        case "finished":
            ended = "stopped" if event.is_stopped else "finished"
            level = EventLevel.WARNING if event.is_stopped else EventLevel.SUCCESS
            steps = counted(event.step, "step")
            return level, f"{ended} after {steps} in {duration(event.seconds)}"
        case "failed":
            return EventLevel.ERROR, f"failed: {event.error}"
        case _:
            return EventLevel.DETAIL, ""
