"""StepReporter: the events of the denoising steps of one batch."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

from sdtui.core.cancellation import Cancellation
from sdtui.engine.families.family import StepState
from sdtui.engine.loaded import LoadedModel
from sdtui.engine.passes import Pass
from sdtui.engine.pipeline_manager import StableDiffusionEngine
from sdtui.engine.preview import PreviewCopies
from sdtui.requests.events import Preview, Report, Step
from sdtui.requests.record import PassPlace


@dataclass(frozen=True)
class BatchPlace:
    """The position of a batch in its run."""

    first_image: int
    """Index of the batch's first picture."""
    size: int
    steps_before: int
    steps_after: int
    """Steps of the batch's remaining passes."""
    work_after: float
    """The same in steps of this pass: those of larger pictures take longer."""
    batches_after: int
    """Batches of this size that haven't begun."""
    work: float
    """All steps of such a batch, in steps of this pass."""
    of_pass: PassPlace


def pass_place(passes: Sequence[Pass], number: int) -> PassPlace:
    """Return the place of pass `number`, counted from 0, among the passes."""
    return PassPlace(number=number + 1, count=len(passes), name=passes[number].name)


def batch_place(
    passes: Sequence[Pass],
    steps: Sequence[int],
    number: int,
    indices: Sequence[int],
    waiting: int,
) -> BatchPlace:
    """Return the place of a batch of pass `number`. `steps` are those of each pass, `indices` the
    pictures of the batch, and `waiting` the pictures that haven't begun."""
    pixels = passes[number].request.pixels
    work = [count * each.request.pixels / pixels for count, each in zip(steps, passes, strict=True)]
    return BatchPlace(
        first_image=indices[0],
        size=len(indices),
        steps_before=sum(steps[:number]),
        steps_after=sum(steps[number + 1 :]),
        work_after=sum(work[number + 1 :]),
        batches_after=math.ceil(waiting / len(indices)),
        work=sum(work),
        of_pass=pass_place(passes, number),
    )


class StepReporter:
    """Called after every step of a batch, on the run's thread. Checks for cancellation, then
    reports the step and a preview."""

    def __init__(
        self,
        engine: StableDiffusionEngine,
        model: LoadedModel,
        place: BatchPlace,
        report: Report,
        cancellation: Cancellation,
    ) -> None:
        self._engine = engine
        self._model = model
        self._place = place
        self._report = report
        self._cancellation = cancellation
        self._previews = PreviewCopies()
        self._began = self._last = time.perf_counter()
        self.steps = 0
        """The number of steps of this pass, known after the first."""

    def __call__(self, state: StepState) -> None:
        """Report a step. Raises CancelledError."""
        self._cancellation.check()
        if self._engine.threads:
            self._engine.threads.adapt(compiled=self._model.speedups.compiled)
        self.steps = state.total
        place, now = self._place, time.perf_counter()
        mean = (now - self._began) / state.step
        step = place.steps_before + state.step
        total = place.steps_before + state.total + place.steps_after
        self._report(
            Step(
                step=step,
                total=total,
                of_pass=place.of_pass,
                first_image=place.first_image,
                batch_size=place.size,
                seconds=now - self._last,
                it_per_second=1 / mean,
                remaining=mean
                * (state.total - state.step + place.work_after + place.work * place.batches_after),
                memory_now=self._engine.meter.now(),
                memory_peak=self._engine.meter.peak(),
            )
        )
        self._last = now
        self._preview(state, step)

    def _preview(self, state: StepState, step: int) -> None:
        if state.x0 is not None and self._model.to_rgb is not None:
            self._previews.start(step, self._model.to_rgb(state.x0))
        finished = self._previews.finished()
        if finished is None:
            return
        of_step, pixels = finished
        height, width, _ = pixels.shape
        self._report(
            Preview(
                step=of_step,
                of_pass=self._place.of_pass,
                image_index=self._place.first_image,
                width=width,
                height=height,
                rgb=bytes(pixels.numpy()),
            )
        )
