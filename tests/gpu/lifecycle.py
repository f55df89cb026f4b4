"""Behaviour over time: cancelling, switching models, many jobs, and calls that wait for the GPU."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import torch

from sdtui.core.cancellation import Cancellation
from sdtui.core.errors import CancelledError
from sdtui.engine.generator import RobustStableDiffusionGenerator, generate
from sdtui.requests.events import Event
from tests.gpu.context import MIB, Check, Context
from tests.gpu.rows import Reading

_SYNCHRONISING = "called a synchronizing CUDA operation"
"""In the warnings of torch (c10/cuda/CUDAFunctions.cpp)."""

JOBS = 30
GROWTH_MOST = 1
"""MiB that a run of jobs may add to the allocated memory."""
SWITCH_GROWTH_MOST = 16
"""The same for loading a model again, whose blocks may be cut in another way."""


def checks() -> list[Check]:
    """Return rows for cancelling, switching between models, leaks, and synchronising calls."""
    return [
        Check("cancel", "sd1, steps until it stops", _steps_after_cancelling),
        Check("switch", "sd1, sdxl, sd1: growth", _growth_after_switching, needs_gpu=True),
        Check("leaks", f"sd1, {JOBS} jobs: growth", _growth_after_jobs, needs_gpu=True),
        Check("synchronising calls a step", "sd1", partial(_waits, False), needs_gpu=True),
        Check(
            "synchronising calls a step", "sd1 with previews", partial(_waits, True), needs_gpu=True
        ),
    ]


def _steps_after_cancelling(context: Context) -> Reading:
    cancellation = Cancellation()
    steps: list[int] = []
    began = 0.0

    def report(event: Event) -> None:
        nonlocal began
        if event.kind == "step":
            steps.append(event.step)
            if event.step == 2:
                began = time.perf_counter()
                cancellation.stop_now()

    request = context.request("sd1", num_inference_steps=50)
    try:
        generate(context.engine(), request, report=report, cancellation=cancellation)
    except CancelledError:
        latency = time.perf_counter() - began
        return Reading(len(steps) - 2, "steps", most=1, detail=f"{latency * 1000:.0f} ms")
    return Reading(None, "steps", most=1, detail="it was not cancelled")


def _growth_after_switching(context: Context) -> Reading:
    context.drop_plain()
    engine = context.engine()
    sizes = []
    for family in ("sd1", "sdxl", "sd1"):
        generate(engine, context.request(family))
        sizes.append(context.allocated())
    return Reading((sizes[2] - sizes[0]) / MIB, "MiB", most=SWITCH_GROWTH_MOST)


def _growth_after_jobs(context: Context) -> Reading:
    """A tenth of the jobs is cancelled, a tenth asks for a model that isn't there."""
    engine = context.engine()
    generator = RobustStableDiffusionGenerator(engine)
    generate(engine, context.request("sd1", num_inference_steps=2))
    first = context.allocated()
    for number in range(JOBS):
        cancellation = Cancellation()
        if number % 10 == 7:
            cancellation.stop_now()
        request = context.request("sd1", num_inference_steps=2, prompt=f"picture {number}")
        if number % 10 == 3:
            request = request.changed(model="/no/such/model")
        generator.generate_with_fallback(request, cancellation=cancellation)
    generate(engine, context.request("sd1", num_inference_steps=2))
    return Reading((context.allocated() - first) / MIB, "MiB", most=GROWTH_MOST)


def _waits(previews: bool, context: Context) -> Reading:
    """Count the calls of a step that make the CPU wait for the GPU, beyond diffusers' own."""
    steps = 8
    request = context.request("sd1", num_inference_steps=steps)
    engine = context.engine(previews=previews)
    generate(engine, request)
    with _counted() as own:
        generate(engine, request)
    assert engine.loaded is not None
    pipeline = context.plain_pipeline("sd1", engine.loaded.dtype)
    # The same sampler, as some wait for the GPU in each step.
    pipeline.scheduler = engine.loaded.pipeline.scheduler
    with _counted() as theirs:
        pipeline("a cat", num_inference_steps=steps, output_type="latent")
    # The stages before and after the denoising wait a few times, whatever the number of steps.
    with _counted() as short:
        generate(engine, request.changed(num_inference_steps=steps // 2))
    with _counted() as their_short:
        pipeline("a cat", num_inference_steps=steps // 2, output_type="latent")
    extra = (len(own) - len(short)) - (len(theirs) - len(their_short))
    return Reading(extra / (steps - steps // 2), "calls", most=0)


@contextmanager
def _counted() -> Iterator[list[str]]:
    """Yield a list that gets the message of each synchronising call; see
    torch.cuda.set_sync_debug_mode."""
    found: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            yield found
        finally:
            torch.cuda.set_sync_debug_mode("default")
            messages = [str(each.message) for each in caught]
            # Torch also says once that this mode is a prototype.
            found += [each for each in messages if _SYNCHRONISING in each]
