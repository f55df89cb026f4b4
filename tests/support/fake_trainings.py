"""Trainings that only pretend, for tests of the app."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import replace

from sdtui.core.errors import SdtuiError, TrainingError
from sdtui.requests.training.request import TrainingRequest
from sdtui.requests.training.status import (
    TrainingCheckpoint,
    TrainingCondition,
    TrainingCurve,
    TrainingSample,
    TrainingStatus,
)

_STEPS = 1500


class FakeTrainings:
    """Implements the protocol `Trainings` in memory, and notes what it was asked to do."""

    def __init__(self, *trainings: TrainingStatus) -> None:
        self.by_name = {each.name: each for each in trainings}
        self.calls: list[tuple[object, ...]] = []
        self.problem: SdtuiError | None = None
        """Raised by every call, as if the backend couldn't be reached."""
        self.requests: list[TrainingRequest] = []

    def all(self) -> list[TrainingStatus]:
        self._check()
        return sorted(self.by_name.values(), key=lambda each: each.name)

    def status(self, name: str) -> TrainingStatus:
        self._check()
        return self.by_name[name]

    def curve(self, name: str, points: int = 400) -> TrainingCurve:
        self._check()
        return falling_curve(self.by_name[name].step, points)

    def start(self, request: TrainingRequest, *, anew: bool = False) -> str:
        self._check()
        name = request.output_name
        if name in self.by_name and not anew:
            raise TrainingError(f"the training {name} was interrupted", "Begin it anew")
        self.calls.append(("start", name, anew))
        self.requests.append(request)
        self.by_name[name] = TrainingStatus(name, TrainingCondition.QUEUED, model=request.model)
        return "task"

    def resume(self, name: str) -> str:
        self._change("resume", name, TrainingCondition.QUEUED)
        return "task"

    def pause(self, name: str) -> None:
        self._change("pause", name, TrainingCondition.PAUSED)

    def stop(self, name: str) -> None:
        self._change("stop", name, TrainingCondition.STOPPED)

    def keep(self, name: str, step: int) -> str:
        self._check()
        self.calls.append(("keep", name, step))
        self.by_name[name] = replace(self.by_name[name], lora_step=step)
        return f"{name}.safetensors"

    def delete(self, name: str) -> None:
        self._check()
        self.calls.append(("delete", name))
        del self.by_name[name]

    def continue_interrupted(self) -> list[str]:
        return []

    def _check(self) -> None:
        if self.problem is not None:
            raise self.problem

    def _change(self, call: str, name: str, condition: TrainingCondition) -> None:
        self._check()
        self.calls.append((call, name))
        self.by_name[name] = replace(self.by_name[name], condition=condition)


def falling_curve(steps: int, points: int) -> TrainingCurve:
    """Return a noisy loss that falls, always the same."""
    noise = random.Random(7)
    stretch = max(1, -(-steps // points))
    ends = range(stretch, steps + 1, stretch)
    smoothed = [0.03 + 0.09 * math.exp(-3 * end / _STEPS) for end in ends]
    losses = [each * (0.6 + 0.8 * noise.random()) for each in smoothed]
    return TrainingCurve(tuple(ends), tuple(losses), tuple(smoothed))


def running_training(samples: Sequence[TrainingSample] = ()) -> TrainingStatus:
    """Return a training in the midst of its steps, with three checkpoints."""
    return TrainingStatus(
        "zorb",
        TrainingCondition.RUNNING,
        model="pocket",
        step=412,
        steps=_STEPS,
        loss=0.07,
        smoothed=0.0691,
        learning_rate=9.1e-5,
        step_seconds=0.84,
        seconds_left=914,
        memory=3 * 2**30,
        notices=('12 pictures without a caption of their own: get "zorb" (a.png, b.png, …)',),
        samples=tuple(samples),
        checkpoints=tuple(
            TrainingCheckpoint(step, f"zorb-{step:06}.safetensors", loss)
            for step, loss in ((100, 0.0912), (200, 0.0711), (400, 0.0745))
        ),
    )
