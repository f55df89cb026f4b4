"""The events of a training as text."""

from __future__ import annotations

from sdtui.cli.progress_output import ProgressOutput
from sdtui.core.text import counted, one_line
from sdtui.core.units import data_size, duration
from sdtui.jobs.training_event_text import training_event_text
from sdtui.requests.training.events import Planned, TrainingEvent, TrainingStep


class TrainingOutput:
    """Shows events on stderr."""

    def __init__(self, output: ProgressOutput) -> None:
        self._output = output
        self._seconds = 0.0
        """Of a step, on average."""

    def put(self, event: TrainingEvent) -> None:
        """Show one event. That of a failure is for the command to report."""
        match event.kind:
            case "preparing":
                self._output.advance(f"preparing {event.what}", event.done, event.total)
            case "planned":
                for line in plan_lines(event):
                    self._output.say(line)
            case "step":
                self._output.advance(self._step_text(event), event.step, event.steps)
            case "failed":
                pass
            case _:
                _, text = training_event_text(event)
                if text:
                    self._output.say(one_line(text))

    def _step_text(self, event: TrainingStep) -> str:
        self._seconds += (event.seconds - self._seconds) / min(event.step, 50)
        left = duration(self._seconds * (event.steps - event.step))
        return (
            f"step {event.step}/{event.steps}, loss {event.smoothed:.4f}, {left} left,"
            f" {data_size(event.memory)}"
        )


def plan_lines(plan: Planned) -> list[str]:
    """Return what will be done, in lines for people."""
    buckets = ", ".join(f"{size} ({count})" for size, count in plan.buckets.items())
    pictures = counted(plan.pictures, "picture")
    if plan.class_pictures:
        pictures += f" and {plan.class_pictures} of the class"
    checkpointing = ", gradient checkpointing" if plan.gradient_checkpointing else ""
    lines = [
        f"{pictures} at {plan.resolution} px: {buckets}",
        f"{counted(plan.steps, 'step')} ({plan.epochs:.1f} epochs), batch {plan.batch_size},"
        f" {plan.optimizer}, rate {plan.learning_rate:g}{checkpointing}",
        f"{counted(plan.trainable, 'value')} trained on {plan.device} in {plan.dtype}, about"
        f" {data_size(plan.memory)}",
    ]
    if plan.start:
        lines.append(f"going on after step {plan.start}")
    return lines
