"""Compare the memory that a model needs with the memory of the machine."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sdtui.core.enums import DType, MemoryMode, Quantize
from sdtui.core.units import data_size
from sdtui.models.description import ModelDescription
from sdtui.models.estimate import Estimate, estimate_run, fastest_mode
from sdtui.models.native import NativeValues
from sdtui.models.precision import automatic_dtype


@dataclass(frozen=True)
class MemoryBudget:
    """The memory for models, in bytes."""

    on_gpu: bool
    free: int
    """Unused memory and that of this process, since a loaded model is replaced."""
    total: int


@dataclass(frozen=True)
class ModelFit:
    """The memory for a picture of native size, in the fastest mode that fits."""

    mode: MemoryMode
    bytes: int
    fits: bool
    peaks: Mapping[MemoryMode, int] = field(default_factory=dict, compare=False)
    """The bytes in each mode that the machine has."""


def native_size(description: ModelDescription) -> tuple[int, int]:
    """Native width and height of a model in pixels, 512 if unknown."""
    return description.native.width or 512, description.native.height or 512


def native_estimate(
    description: ModelDescription,
    dtype: DType,
    *,
    added: int = 0,
    quantize: Quantize = Quantize.NONE,
    on_cpu: bool = False,
) -> Estimate:
    """The memory for a picture of native size, with `added` bytes of other weights."""
    guidance = description.native.guidance_scale
    is_guided = description.uses_cfg(math.inf if guidance is None else guidance)
    return estimate_run(
        description,
        dtype,
        *native_size(description),
        guidance=is_guided,
        added=added,
        quantize=quantize,
        on_cpu=on_cpu,
    )


def memory_by_mode(description: ModelDescription) -> dict[str, int]:
    """Return the bytes that a picture of native size needs on a GPU, in two bytes a value, by
    memory mode."""
    estimate = native_estimate(description, DType.BFLOAT16)
    return {mode.value: peak for mode, peak in estimate.peaks.items()}


def model_fit(
    description: ModelDescription,
    budget: MemoryBudget,
    memory: int,
    dtype: DType = DType.AUTO,
    quantize: Quantize = Quantize.NONE,
) -> ModelFit:
    """Compare a model with `memory` bytes, in the mode that the engine would choose.

    On a CPU all weights are in main memory, or a part at a time.
    """
    if dtype is DType.AUTO:
        dtype = automatic_dtype(accelerator=budget.on_gpu)
    estimate = native_estimate(description, dtype, quantize=quantize, on_cpu=not budget.on_gpu)
    modes = tuple(MemoryMode) if budget.on_gpu else (MemoryMode.FULL, MemoryMode.PARTS)
    mode = fastest_mode(estimate, memory, modes)
    peak = estimate.peaks[mode]
    peaks = {each: estimate.peaks[each] for each in estimate.peaks if each in modes}
    return ModelFit(mode, peak, peak <= memory, peaks)


def _stable_diffusion(
    family: str, side: int, unet: int, encoders: tuple[int, ...]
) -> ModelDescription:
    parts = {f"text_encoder_{number}": count for number, count in enumerate(encoders, 1)}
    return ModelDescription(
        path=Path(),
        family=family,
        pipeline_class="",
        parameters={"unet": unet, "vae": 83_653_863, **parts},
        native=NativeValues(width=side, height=side),
    )


LARGE_MODELS = {
    "stabilityai/stable-diffusion-xl-base-1.0": _stable_diffusion(
        "sdxl", 1024, 2_567_463_684, (123_060_480, 694_659_840)
    ),
    "stable-diffusion-v1-5/stable-diffusion-v1-5": _stable_diffusion(
        "sd1", 512, 859_520_964, (123_060_480,)
    ),
}
"""Models to recommend to new users, largest first. Their numbers of parameters are those of
diffusers' classes with the configs of these models."""


def recommend_download(budget: MemoryBudget) -> tuple[str, str]:
    """The largest model to download that fits on the GPU in any mode, and how it fits.

    Without a GPU, or if none fits, it is the smallest.
    """
    fits = {name: model_fit(each, budget, budget.total) for name, each in LARGE_MODELS.items()}
    smallest = next(reversed(fits))
    name = next((name for name, each in fits.items() if budget.on_gpu and each.fits), smallest)
    fit = fits[name]
    kind = "VRAM" if budget.on_gpu else "RAM"
    size = f"{LARGE_MODELS[name].native.width} pixels"
    memory = f"{size}; {data_size(fit.bytes)} of {data_size(budget.total)} {kind}"
    if not fit.fits:
        return name, f"{memory}: too little, but it can be tried"
    if not budget.on_gpu:
        return name, f"{memory}; minutes a picture"
    return name, memory if fit.mode is MemoryMode.FULL else f"{memory}, in parts"
