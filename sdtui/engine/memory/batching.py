"""How many pictures are made at once, and the peak that is expected."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from sdtui.core.enums import MemoryMode
from sdtui.engine.device import Device
from sdtui.engine.loaded import LoadedModel
from sdtui.engine.passes import Pass
from sdtui.engine.resolved_request import ResolvedRequest
from sdtui.models import Estimate, estimate_run

LARGEST_BATCH = 8
"""Pictures at once; more gain nothing and make a person wait longer for the first."""

CPU_BATCH_LATENTS = 4096
"""Latent pixels at once on a CPU: one picture of this many (512 px) keeps the cores busy."""


@dataclass(frozen=True)
class Held:
    """What was in use before a run began, in bytes."""

    used: int
    weights_included: bool
    """Whether the model's weights were part of it."""


def choose_batch_size(model: LoadedModel, passes: Sequence[Pass], count: int, added: int) -> int:
    """How many of `count` pictures are made at once: as many as fit into the memory that is free
    and as the device gains from, in batches of about the same size. `added` = bytes of weights
    that features add."""
    largest = min(count, LARGEST_BATCH)
    if not model.device.is_accelerator:
        latents = max(_latent_pixels(model, each.request) for each in passes)
        largest = min(largest, max(1, CPU_BATCH_LATENTS // latents))
    free = model.device.memory().free

    def fits(size: int) -> bool:
        return all(_needed(model, each.request, size, added) <= free for each in passes)

    fitting = (size for size in range(largest, 1, -1) if fits(size))
    batches = math.ceil(count / next(fitting, 1))
    return math.ceil(count / batches)


def expected_peak(
    model: LoadedModel, passes: Sequence[Pass], batch_size: int, held: Held, added: int
) -> int:
    """The peak of a run in bytes, as `PeakMeter` measures it."""
    estimates = [_estimate(model, each.request, batch_size, added) for each in passes]
    weights = estimates[0].weights - added
    before = held.used - (weights if held.weights_included else 0)
    return max(before, 0) + max(each.peaks[model.memory_mode] for each in estimates)


def held_before(device: Device, *, loaded: LoadedModel | None, model: str) -> Held:
    """What is in use now, before a run with `model`."""
    kept = loaded is not None and loaded.source.name == model
    return Held(device.memory().used, weights_included=kept)


def _latent_pixels(model: LoadedModel, request: ResolvedRequest) -> int:
    factor = model.description.vae_factor
    return (request.width // factor) * (request.height // factor)


def _needed(model: LoadedModel, request: ResolvedRequest, batch_size: int, added: int) -> int:
    """Bytes beyond what the model holds on its device between runs: all its weights in full
    mode, in the others none."""
    estimate = _estimate(model, request, batch_size, added)
    held = estimate.weights - added if model.memory_mode is MemoryMode.FULL else 0
    return estimate.peaks[model.memory_mode] - held


def _estimate(
    model: LoadedModel, request: ResolvedRequest, batch_size: int, added: int
) -> Estimate:
    return estimate_run(
        model.description,
        model.dtype,
        request.width,
        request.height,
        batch_size,
        guidance=model.uses_cfg(request.guidance_scale),
        added=added,
    )
