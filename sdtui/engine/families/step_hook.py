"""Steps of pipelines whose call takes no callback, seen from their denoiser."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from sdtui.engine.families.family import OnStep, StepState
from sdtui.engine.passes import Pass
from sdtui.engine.speed.presets import denoiser_of


@contextmanager
def steps_by_hook(pipeline: Any, pass_: Pass, on_step: OnStep) -> Iterator[Callable[[], None]]:
    """Call `on_step` after every step while the context is open, and yield what to call after the
    last. Latents that `on_step` returns are not used.

    A step is over when the denoiser is called with another timestep: with guidance, some
    pipelines call it twice a step.
    """
    steps = _Steps(pipeline, pass_, on_step)
    denoiser = denoiser_of(pipeline)
    handle = denoiser and denoiser.register_forward_pre_hook(steps.before_call, with_kwargs=True)
    try:
        yield steps.end
    finally:
        if handle:
            handle.remove()


class _Steps:
    """Counts the steps of one call of a pipeline."""

    def __init__(self, pipeline: Any, pass_: Pass, on_step: OnStep) -> None:
        self._pipeline = pipeline
        self._pass = pass_
        self._on_step = on_step
        self._done = 0
        self._timestep: float | None = None
        self._latents: torch.Tensor | None = None

    def before_call(self, _: torch.nn.Module, args: tuple[Any, ...], given: dict[str, Any]) -> None:
        timestep = _number(args[1] if len(args) > 1 else given.get("timestep"))
        if timestep is not None and timestep == self._timestep:
            return
        self._report(is_last=False)
        self._timestep = timestep
        tensors = (each for each in (*args, *given.values()) if isinstance(each, torch.Tensor))
        self._latents = next(tensors, None)

    def end(self) -> None:
        """Report the last step."""
        self._report(is_last=True)

    def _report(self, *, is_last: bool) -> None:
        """Report a step, if the denoiser has been called for it."""
        if self._latents is None:
            return
        total = self._pass.expected_steps
        step = total if is_last else min(self._done + 1, total - 1)
        if step > self._done:
            self._done = step
            self._on_step(StepState(step, total, self._latents, self._pipeline.scheduler))


def _number(timestep: Any) -> float | None:
    if isinstance(timestep, torch.Tensor):
        return float(timestep.flatten()[0])
    return float(timestep) if isinstance(timestep, int | float) else None
