"""Speed presets: what each turns on, and what a model or machine doesn't support.

The preset `quality` turns nothing on, so it doesn't change pictures.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any

import torch

from sdtui.core.enums import Runtime, Speed
from sdtui.engine.device import Device
from sdtui.engine.memory.oom import is_out_of_memory
from sdtui.engine.openvino.choice import why_not
from sdtui.engine.openvino.pipeline import OpenVino
from sdtui.engine.quantized.layers import is_quantized
from sdtui.engine.speed.deepcache import DeepCache, has_deep_blocks
from sdtui.engine.speed.reuse import Reuse
from sdtui.engine.speed.step_cache import StepCache, can_follow

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PresetOutcome:
    """The outcome of one part of a preset."""

    name: str
    why_not: str | None = None
    """Why the model or machine doesn't support it; None if it is on."""
    reuse: Reuse | None = None


@dataclass(frozen=True)
class SpeedUps:
    """The optimisations of a loaded pipeline."""

    names: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    """Parts that couldn't be turned on, and why."""
    reuse: Reuse | None = None
    """What reuses results of earlier steps."""
    openvino: OpenVino | None = None
    """What computes components in place of torch."""

    @property
    def copies(self) -> int:
        """Bytes of the weights that are in memory twice."""
        return 0 if self.openvino is None else self.openvino.copies

    @property
    def compiled(self) -> bool:
        """True if blocks are compiled."""
        return COMPILED in self.names


COMPILED = "compiled blocks"
OPENVINO = "OpenVINO"
Part = Callable[[Any, Device], PresetOutcome]
"""Turns on one optimisation of a pipeline, if supported."""


def apply_speed(
    pipeline: Any,
    speed: Speed,
    device: Device,
    *,
    runtime: Runtime = Runtime.TORCH,
    in_parts: bool = False,
) -> SpeedUps:
    """Turn on a preset for a pipeline that was just loaded. It can't be turned off: the model is
    reloaded for another preset or runtime.

    `in_parts` = its denoiser is loaded for each denoising, so that what changes it is left out.
    """
    if runtime is Runtime.OPENVINO:
        reason = "the model is loaded in parts" if in_parts else why_not(pipeline)
        if reason is None:
            found = turn_on(pipeline, _REUSE_WITH_OPENVINO[speed], device)
            reuse = found.reuse if isinstance(found.reuse, DeepCache) else None
            openvino = OpenVino(pipeline, reuse)
            return replace(found, names=(OPENVINO, *found.names), openvino=openvino)
        found = apply_speed(pipeline, speed, device, in_parts=in_parts)
        return replace(found, notices=(f"without {OPENVINO}: {reason}", *found.notices))
    if in_parts and speed is not Speed.QUALITY:
        left_out = f"without other speed-ups of {speed}: the model is loaded in parts"
        found = turn_on(pipeline, (_REUSE_IN_PARTS[speed],), device)
        return replace(found, notices=(*found.notices, left_out))
    return turn_on(pipeline, PRESETS[speed], device)


def turn_on(pipeline: Any, parts: Iterable[Part], device: Device) -> SpeedUps:
    """Turn on parts in the given order."""
    if denoiser_of(pipeline) is None:
        why_not = f"without speed-ups: {type(pipeline).__name__} has no single denoiser"
        return SpeedUps(notices=(why_not,) if tuple(parts) else ())
    outcomes = [part(pipeline, device) for part in parts]
    return SpeedUps(
        names=tuple(outcome.name for outcome in outcomes if outcome.why_not is None),
        notices=tuple(
            f"without {outcome.name}: {outcome.why_not}" for outcome in outcomes if outcome.why_not
        ),
        reuse=next((outcome.reuse for outcome in outcomes if outcome.reuse), None),
    )


def denoiser_of(pipeline: Any) -> Any:
    """Return the UNet or the transformer, None if there is neither."""
    return getattr(pipeline, "unet", None) or getattr(pipeline, "transformer", None)


def channels_last(pipeline: Any, _: Device) -> PresetOutcome:
    """Store the UNet's and the VAE's weights in the memory format that is fastest for
    convolutions."""
    name = "channels last"
    if not hasattr(pipeline, "unet"):
        return PresetOutcome(name, "a transformer has no convolutions to gain from it")
    for part in (pipeline.unet, pipeline.vae):
        part.to(memory_format=torch.channels_last)
    return PresetOutcome(name)


def fused_projections(pipeline: Any, device: Device) -> PresetOutcome:
    """Use one matrix for query, key and value instead of three. Saves two of three kernel launches
    on a GPU; a CPU took 1.2 to 1.5 times as long."""
    name = "fused projections"
    if not device.is_accelerator:
        return PresetOutcome(name, "a CPU is slower with them")
    denoiser = denoiser_of(pipeline)
    if not hasattr(denoiser, "fuse_qkv_projections"):
        return PresetOutcome(name, f"{type(denoiser).__name__} has no such thing")
    if is_quantized(denoiser):
        return PresetOutcome(name, "quantized weights can't be joined")
    try:
        denoiser.fuse_qkv_projections()
    except ValueError as error:
        return PresetOutcome(name, str(error))
    return PresetOutcome(name)


def cached_features(
    pipeline: Any, device: Device, *, interval: int, threshold: float
) -> PresetOutcome:
    """Reuse a UNet's deep features for `interval` steps; leave out steps of a transformer while its
    prediction changes by less than `threshold` (relative)."""
    denoiser = denoiser_of(pipeline)
    if has_deep_blocks(denoiser):
        deep = DeepCache(denoiser, interval)
        return PresetOutcome(deep.name, reuse=deep)
    return cached_steps(pipeline, device, threshold=threshold)


def cached_steps(pipeline: Any, _: Device, *, threshold: float) -> PresetOutcome:
    """Leave out steps while the prediction changes by less than `threshold` (relative)."""
    cache = StepCache(threshold)
    denoiser = denoiser_of(pipeline)
    if has_deep_blocks(denoiser):
        return PresetOutcome(cache.name, "a UNet reuses its deep features instead")
    if not can_follow(denoiser):
        why_not = f"{type(denoiser).__name__} names its latents or its timestep in another way"
        return PresetOutcome(cache.name, why_not)
    return PresetOutcome(cache.name, reuse=cache)


def compiled_blocks(pipeline: Any, device: Device) -> PresetOutcome:
    """Compile the repeated blocks with torch.compile; the first pass at each size compiles them."""
    denoiser = denoiser_of(pipeline)
    if not getattr(denoiser, "_repeated_blocks", None):
        return PresetOutcome(COMPILED, f"{type(denoiser).__name__} names no repeated blocks")
    why_not = _why_no_compiler(device.torch.type)
    if why_not is None:
        denoiser.compile_repeated_blocks()
    return PresetOutcome(COMPILED, why_not)


@cache
def _why_no_compiler(device_type: str) -> str | None:
    """Compile a small function, the only reliable check that a compiler is there and works."""
    try:
        torch.compile(_double)(torch.ones(8, device=device_type))
    except RuntimeError as error:  # torch's compiler has no public class of its own for errors
        if is_out_of_memory(error):
            raise
        _log.warning("torch.compile doesn't work here", exc_info=error)
        lines = str(error).splitlines()
        return f"torch.compile doesn't work here ({lines[0] if lines else type(error).__name__})"
    return None


def _double(values: torch.Tensor) -> torch.Tensor:
    return values * 2 + 1


_THRESHOLDS = {Speed.FAST: 0.05, Speed.MAX: 0.08}
"""Of the step cache: about a third and half of the steps are left out, see
tests/benchmarks/step_caches.py."""
_REUSE_IN_PARTS: Mapping[Speed, Part] = {
    speed: partial(cached_steps, threshold=threshold) for speed, threshold in _THRESHOLDS.items()
}
_FEATURES_FAST = partial(cached_features, interval=2, threshold=_THRESHOLDS[Speed.FAST])
_FEATURES_MAX = partial(cached_features, interval=3, threshold=_THRESHOLDS[Speed.MAX])
_REUSE_WITH_OPENVINO: Mapping[Speed, tuple[Part, ...]] = {
    Speed.QUALITY: (),
    Speed.FAST: (_FEATURES_FAST,),
    Speed.MAX: (_FEATURES_MAX,),
}
PRESETS: Mapping[Speed, tuple[Part, ...]] = {
    Speed.QUALITY: (),
    Speed.FAST: (channels_last, _FEATURES_FAST),
    # Fused projections store the attention's weights twice, too much for `fast`.
    Speed.MAX: (
        channels_last,
        fused_projections,
        _FEATURES_MAX,
        compiled_blocks,
    ),
}
