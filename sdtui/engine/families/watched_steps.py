"""The steps of a pipeline's call, seen at its scheduler."""

from __future__ import annotations

from typing import Any

import torch

from sdtui.engine.families.family import OnStep, StepState
from sdtui.engine.families.predicted import predicted_x0, shown_latents
from sdtui.engine.families.seams import Method, ending
from sdtui.engine.interruptible import Stopped
from sdtui.engine.resolved_request import ResolvedRequest


class WatchedSteps:
    """Reports the steps of one call."""

    def __init__(
        self, pipeline: Any, request: ResolvedRequest, on_step: OnStep, *, watch: bool
    ) -> None:
        """`watch` turns on the estimate of x0."""
        self._pipeline = pipeline
        self._size = request.width, request.height
        self._on_step = on_step
        self._watch = watch
        self._done = 0

    def watching(self, original: Method) -> Method:
        """Return a replacement for the scheduler's `step`."""

        def step(
            model_output: torch.Tensor, timestep: Any, sample: torch.Tensor, *args: Any, **more: Any
        ) -> Any:
            scheduler, x0 = self._pipeline.scheduler, None
            if self._watch:
                x0 = predicted_x0(scheduler, model_output, timestep, sample)
            given = original(model_output, timestep, sample, *args, **more)
            return self._reported(given, x0)

        return step

    def ending(self, original: Method) -> Method:
        """Return a replacement for the VAE's `decode` that ends the call, unless no step was taken
        yet: a pipeline may decode something else before."""
        ended = ending(original)

        def decode(*args: Any, **more: Any) -> Any:
            return ended(*args, **more) if self._done else original(*args, **more)

        return decode

    def _reported(self, given: Any, x0: torch.Tensor | None) -> Any:
        """Report a step; return what the scheduler gave, with the latents to go on with."""
        latents, scheduler = given[0], self._pipeline.scheduler
        total = self._total(scheduler)
        self._done = min(self._done + 1, total)
        shown = None if x0 is None else shown_latents(self._pipeline, x0, *self._size)
        state = StepState(self._done, total, latents, scheduler, x0=shown)
        try:
            changed = self._on_step(state)
        except Exception as error:
            raise Stopped(error) from error
        if changed is None:
            return given
        if isinstance(given, tuple):
            return changed, *given[1:]
        given.prev_sample = changed
        return given

    def _total(self, scheduler: Any) -> int:
        """Return the number of steps. Pipelines that start from an image run the last ones of the
        schedule, and most say how many."""
        counted = getattr(self._pipeline, "_num_timesteps", None)
        return int(counted or len(scheduler.timesteps))
