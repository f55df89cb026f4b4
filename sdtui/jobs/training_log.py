"""What the events of a training say of it: a fold over them, which reads each line once."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean

from sdtui.core.errors import SdtuiError
from sdtui.requests.training.events import (
    CheckpointWritten,
    Kept,
    MemoryShort,
    Notice,
    Paused,
    Planned,
    Preparing,
    Sample,
    TrainingEvent,
    TrainingFailed,
    TrainingFinished,
    TrainingStep,
    event_of_line,
)
from sdtui.requests.training.status import (
    TrainingCheckpoint,
    TrainingCondition,
    TrainingCurve,
    TrainingSample,
    TrainingStatus,
)
from sdtui.training.folder import TrainingFolder

_MOST_AVERAGED = 50
"""Steps of the average time of a step."""


@dataclass
class TrainingLog:
    """The events so far of the training in a folder. Not thread-safe."""

    folder: TrainingFolder
    begun_at: int
    """That of the folder."""
    _read: int = 0
    """Bytes of the events' file."""
    _name_of_model: str = ""
    _last: TrainingStep | None = None
    _step_seconds: float = 0.0
    _activity: str = ""
    condition: TrainingCondition = TrainingCondition.INTERRUPTED
    """As the last event has it, if the training isn't queued or running."""
    _has_ended: bool = False
    _lora: str = ""
    _lora_step: int = 0
    _error: str = ""
    _notices: dict[str, None] = field(default_factory=dict)
    _samples: dict[tuple[int, int], TrainingSample] = field(default_factory=dict)
    """By step and number."""
    _checkpoints: dict[int, TrainingCheckpoint] = field(default_factory=dict)
    """By step."""
    _steps: array[int] = field(default_factory=lambda: array("q"))
    _losses: array[float] = field(default_factory=lambda: array("d"))
    _smoothed: array[float] = field(default_factory=lambda: array("d"))

    def status(self, condition: TrainingCondition | None, *, is_elsewhere: bool) -> TrainingStatus:
        """Return how far the training has come. `condition` is what is known otherwise."""
        last, shown = self._last, condition or self.condition
        is_running = shown is TrainingCondition.RUNNING
        left = self._step_seconds * (last.steps - last.step) if last and is_running else None
        return TrainingStatus(
            name=self.folder.path.name,
            condition=shown,
            is_elsewhere=is_elsewhere,
            model=self._name_of_model or self._asked_model(),
            step=last.step if last else 0,
            steps=last.steps if last else 0,
            loss=last.loss if last else 0.0,
            smoothed=last.smoothed if last else 0.0,
            learning_rate=last.learning_rate if last else 0.0,
            step_seconds=self._step_seconds,
            seconds_left=left,
            memory=last.memory if last else 0,
            activity=self._activity if is_running else "",
            lora=self._lora,
            lora_step=self._lora_step,
            error=self._error if shown is TrainingCondition.FAILED else "",
            notices=tuple(self._notices),
            samples=tuple(each for _, each in sorted(self._samples.items())),
            checkpoints=tuple(
                each for _, each in sorted(self._checkpoints.items()) if Path(each.path).is_file()
            ),
        )

    def curve(self, points: int) -> TrainingCurve:
        """Return the loss in at most `points` points, at least one."""
        count = len(self._steps)
        stretch = -(-count // max(1, points))
        ends = [min(count, start + stretch) for start in range(0, count, stretch or 1)]
        return TrainingCurve(
            steps=tuple(self._steps[end - 1] for end in ends),
            losses=_means(self._losses, ends),
            smoothed=_means(self._smoothed, ends),
        )

    def read_on(self) -> None:
        """Take the events that were added to their file. Raises OSError."""
        try:
            with self.folder.events_file.open("rb") as events:
                events.seek(self._read)
                new = events.read()
        except FileNotFoundError:
            return
        whole = new[: new.rfind(b"\n") + 1]  # the last line may not be written to its end
        self._read += len(whole)
        for line in whole.decode("utf-8", "replace").splitlines():
            if (event := event_of_line(line)) is not None:
                self._apply(event)

    def _asked_model(self) -> str:
        try:
            return self.folder.request().model
        except SdtuiError:
            return ""

    def _apply(self, event: TrainingEvent) -> None:
        if self._has_ended and not isinstance(event, Kept | CheckpointWritten):  # it goes on
            self._has_ended, self._error = False, ""
            self._notices.clear()
            self.condition = TrainingCondition.INTERRUPTED
        match event:
            case TrainingStep():
                self._add_step(event)
            case Preparing():
                self._activity = event.what
            case Planned():
                self._name_of_model, self._activity = event.model, ""
            case Notice(text=text):
                self._notices[text] = None
            case MemoryShort(step=step, change=change):
                self._notices[f"Memory ran out in step {step}: going on with {change}"] = None
            case Sample(step=step, number=number, prompt=prompt, path=path):
                self._samples[step, number] = TrainingSample(step, number, prompt, path)
            case CheckpointWritten(step=step, path=path):
                self._add_checkpoint(step, path)
            case Kept(step=step, path=path):
                self._lora, self._lora_step = path, step
            case Paused():
                self._end(TrainingCondition.PAUSED)
            case TrainingFinished(step=step, path=path, is_stopped=is_stopped):
                if path:
                    self._add_end(step, path)
                is_whole = not is_stopped
                self._end(TrainingCondition.FINISHED if is_whole else TrainingCondition.STOPPED)
            case TrainingFailed(error=error):
                self._error = error
                self._end(TrainingCondition.FAILED)

    def _end(self, condition: TrainingCondition) -> None:
        self.condition, self._has_ended, self._activity = condition, True, ""

    def _add_checkpoint(self, step: int, path: str) -> None:
        self._checkpoints[step] = TrainingCheckpoint(step, path, self._smoothed_at(step))

    def _add_end(self, step: int, path: str) -> None:
        """Add the LoRA of the end; one of an earlier end was in the same file."""
        self._lora, self._lora_step = path, step
        for each in [each for each in self._checkpoints.values() if each.path == path]:
            del self._checkpoints[each.step]
        if step not in self._checkpoints:
            self._add_checkpoint(step, path)

    def _add_step(self, event: TrainingStep) -> None:
        known = bisect_left(self._steps, event.step)  # after a crash steps are repeated
        for values in (self._steps, self._losses, self._smoothed):
            del values[known:]
        self._steps.append(event.step)
        self._losses.append(event.loss)
        self._smoothed.append(event.smoothed)
        share = 1 / min(len(self._steps), _MOST_AVERAGED)
        self._step_seconds += (event.seconds - self._step_seconds) * share
        self._last, self._activity = event, ""

    def _smoothed_at(self, step: int) -> float:
        place = bisect_left(self._steps, step)
        is_known = place < len(self._steps) and self._steps[place] == step
        return self._smoothed[place] if is_known else 0.0


def _means(values: array[float], ends: list[int]) -> tuple[float, ...]:
    return tuple(fmean(values[start:end]) for start, end in zip([0, *ends], ends, strict=False))
