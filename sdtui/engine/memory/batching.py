"""How many pictures are made at once, and the peak that is expected."""

from __future__ import annotations

import math
from dataclasses import dataclass

from sdtui.core.enums import MemoryMode
from sdtui.engine.device import Device
from sdtui.engine.loaded import LoadedModel
from sdtui.models import Estimate, estimate_run
from sdtui.requests.record import ImageSettings

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


def choose_batch_size(model: LoadedModel, settings: ImageSettings, count: int) -> int:
    """How many of `count` pictures are made at once: as many as fit into the memory that is free
    and as the device gains from, in batches of about the same size."""
    largest = min(count, LARGEST_BATCH)
    if not model.device.is_accelerator:
        factor = model.description.vae_factor
        latents = (settings.width // factor) * (settings.height // factor)
        largest = min(largest, max(1, CPU_BATCH_LATENTS // latents))
    free = model.device.memory().free
    fitting = (size for size in range(largest, 1, -1) if _needed(model, settings, size) <= free)
    batches = math.ceil(count / next(fitting, 1))
    return math.ceil(count / batches)


def _needed(model: LoadedModel, settings: ImageSettings, batch_size: int) -> int:
    """Bytes beyond what the model holds on its device between runs: all its weights in full
    mode, in the others none."""
    estimate = _estimate(model, settings, batch_size)
    held = estimate.weights if model.memory_mode is MemoryMode.FULL else 0
    return estimate.peaks[model.memory_mode] - held


def expected_peak(model: LoadedModel, settings: ImageSettings, batch_size: int, held: Held) -> int:
    """The peak of a run in bytes, as `PeakMeter` measures it."""
    estimate = _estimate(model, settings, batch_size)
    before = held.used - (estimate.weights if held.weights_included else 0)
    return max(before, 0) + estimate.peaks[model.memory_mode]


def held_before(device: Device, *, loaded: LoadedModel | None, model: str) -> Held:
    """What is in use now, before a run with `model`."""
    kept = loaded is not None and loaded.source.name == model
    return Held(device.memory().used, weights_included=kept)


def _estimate(model: LoadedModel, settings: ImageSettings, batch_size: int) -> Estimate:
    return estimate_run(
        model.description,
        model.dtype,
        settings.width,
        settings.height,
        batch_size,
        guidance=model.uses_cfg(settings.guidance_scale),
    )
