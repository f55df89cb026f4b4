"""The batch size and the expected peak memory."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from sdtui.core.enums import MemoryMode
from sdtui.engine.call_defaults import call_defaults
from sdtui.engine.device import Device
from sdtui.engine.loaded import LoadedModel
from sdtui.engine.passes import Pass
from sdtui.engine.resolved_request import ResolvedRequest
from sdtui.models import Estimate, estimate_run

LARGEST_BATCH = 8
"""Pictures; larger batches aren't faster, and the first picture takes longer."""

CPU_BATCH_LATENTS = 4096
"""Latent pixels per batch on a CPU: one picture of this size (512 px) keeps all cores busy."""


@dataclass(frozen=True)
class Held:
    """Bytes in use before a run began."""

    used: int
    weights: int
    """Those of the weights of the model that is loaded: it is used again, or freed first."""


def choose_batch_size(model: LoadedModel, passes: Sequence[Pass], count: int, added: int) -> int:
    """Return the batch size for `count` pictures: as many as fit into the free memory and as the
    device benefits from, in batches of about equal size. `added` = bytes of weights that features
    add."""
    if not _takes_several(model):
        return 1
    largest = min(count, LARGEST_BATCH)
    if not model.device.is_accelerator:
        latents = max(_latent_pixels(model, each.request) for each in passes)
        largest = min(largest, max(1, CPU_BATCH_LATENTS // latents))
    free = model.device.memory().free

    def fits(size: int) -> bool:
        return all(_needed(model, each, size, added) <= free for each in passes)

    fitting = (size for size in range(largest, 1, -1) if fits(size))
    batches = math.ceil(count / next(fitting, 1))
    return math.ceil(count / batches)


def expected_peak(
    model: LoadedModel, passes: Sequence[Pass], batch_size: int, held: Held, added: int
) -> int:
    """Return the expected peak of a run in bytes, as `PeakMeter` measures it."""
    estimates = [_estimate(model, each, batch_size, added) for each in passes]
    kept = max(held.used - held.weights, 0)
    return max(held.used, kept + max(each.peaks[model.memory_mode] for each in estimates))


def held_before(device: Device, loaded: LoadedModel | None) -> Held:
    """Return the memory in use before a run."""
    return Held(device.memory().used, weights_on(device.torch.type, loaded))


def weights_on(kind: str, loaded: LoadedModel | None) -> int:
    """Return the bytes of a model's weights that are on a kind of device."""
    parts = loaded.pipeline.components.values() if loaded else ()
    modules = [each for each in parts if isinstance(each, torch.nn.Module)]
    weights = [each for module in modules for each in module.parameters()]
    return sum(each.nbytes for each in weights if each.device.type == kind)


def _takes_several(model: LoadedModel) -> bool:
    """Return whether several pictures may be made at once: of a pipeline that isn't known, only if
    its call is told their number."""
    is_known = bool(model.description.traits.name)
    return is_known or "num_images_per_prompt" in call_defaults(model.pipeline)


def _latent_pixels(model: LoadedModel, request: ResolvedRequest) -> int:
    factor = model.description.vae_factor
    return (request.width // factor) * (request.height // factor)


def _needed(model: LoadedModel, pass_: Pass, batch_size: int, added: int) -> int:
    """Return the bytes that a run needs on the device besides weights that are there already: in
    full mode all weights stay there between runs, in the other modes none."""
    estimate = _estimate(model, pass_, batch_size, added)
    held = estimate.weights - added if model.memory_mode is MemoryMode.FULL else 0
    return estimate.peaks[model.memory_mode] - held


def _estimate(model: LoadedModel, pass_: Pass, batch_size: int, added: int) -> Estimate:
    request = pass_.request
    return estimate_run(
        model.description,
        model.dtype,
        request.width,
        request.height,
        batch_size,
        guidance=model.description.uses_cfg(request.guidance_scale, request.true_cfg_scale),
        prompts=pass_.prompts,
        references=len(pass_.references),
        added=added,
        on_cpu=not model.device.is_accelerator,
        quantize=model.quantize,
    )
