"""What is said of a training in the app."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from rich.cells import cell_len

from sdtui.core.text import one_line
from sdtui.core.units import clock_duration, data_size, step_rate
from sdtui.requests.training.status import TrainingCondition, TrainingSample, TrainingStatus
from sdtui.tui.styles import ThemeColour

if TYPE_CHECKING:
    from sdtui.jobs import Connection

CONDITION_SIGNS: Mapping[TrainingCondition, tuple[str, ThemeColour]] = {
    TrainingCondition.QUEUED: ("○", "queued"),
    TrainingCondition.RUNNING: ("▶", "running"),
    TrainingCondition.PAUSED: ("‖", "warning"),
    TrainingCondition.FINISHED: ("✓", "done"),
    TrainingCondition.STOPPED: ("■", "warning"),
    TrainingCondition.FAILED: ("✗", "error"),
    TrainingCondition.INTERRUPTED: ("■", "warning"),
}

FACT_GAP = "  "
"""Between a name and the facts."""


def condition_text(status: TrainingStatus) -> str:
    """Return the condition in a word or two."""
    return f"{status.condition} elsewhere" if status.is_elsewhere else str(status.condition)


def progress_text(status: TrainingStatus) -> str:
    """Return how far a training has come, for a narrow column."""
    if status.condition is TrainingCondition.FINISHED:
        return f"{status.steps} steps"
    if status.condition is TrainingCondition.RUNNING and status.activity:
        return status.activity
    return f"{status.step}/{status.steps}" if status.steps else ""


def fact_lines(status: TrainingStatus, width: int) -> list[str]:
    """Return the name of a training and what is known of its run, in lines of at most `width`
    columns where no fact is longer."""
    lines = [one_line(status.name)]
    gap = FACT_GAP
    for fact in _facts(status):
        if cell_len(lines[-1] + gap + fact) <= width:
            lines[-1] += gap + fact
        else:
            lines.append(fact)
        gap = " · "
    return lines


def _facts(status: TrainingStatus) -> Iterator[str]:
    """Yield what is known of a training's run, the most important first."""
    yield condition_text(status)
    if status.activity:
        yield f"preparing {status.activity}"
    if status.steps:
        yield f"step {status.step} of {status.steps}"
    if status.seconds_left is not None:
        yield f"{clock_duration(status.seconds_left)} left"
    if status.step_seconds:
        yield step_rate(1 / status.step_seconds)
    if status.step:
        yield f"loss {status.smoothed:.4f}"
        yield f"learning rate {status.learning_rate:.2g}"
    if status.memory and status.condition is TrainingCondition.RUNNING:
        yield data_size(status.memory)
    if status.model:
        yield one_line(status.model)


def line_problem(connection: Connection | None) -> str:
    """Return what is wrong with the line to a backend in another process; "" if nothing is."""
    if connection is None or connection.status.is_connected:
        return ""
    problem = one_line(connection.status.problem) or f"{connection.name} isn't connected"
    return f"{problem.rstrip('.')}. What is shown may be old."


def newest_samples(status: TrainingStatus, until: int | None = None) -> list[TrainingSample]:
    """Return the newest sample of each prompt, in the order of the prompts; of those that were made
    before a step or after it, if `until` is one."""
    newest = {each.number: each for each in status.samples if until is None or each.step <= until}
    return [newest[number] for number in sorted(newest)]
