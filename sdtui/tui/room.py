"""Which models fit: what a run needs against the memory that is there."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from sdtui.core.choices import DType, MemoryMode
from sdtui.models.description import ModelDescription, NativeValues
from sdtui.models.estimate import estimate_run, fastest_mode
from sdtui.models.precision import automatic_dtype
from sdtui.monitor import Sample
from sdtui.tui.quantities import data_size


@dataclass(frozen=True)
class MemoryRoom:
    """The memory that a model can have, in bytes."""

    on_gpu: bool
    free: int
    """What is unused, and what this process holds of it: a loaded model makes way for another."""
    total: int

    @classmethod
    def of(cls, sample: Sample, device: str = "auto") -> MemoryRoom:
        """What a sample of the monitor says of a device, named as in the settings."""
        if device == "cpu":
            sample = replace(sample, gpus=())
        _, used, total, own = sample.memory
        return cls(bool(sample.gpus), total - used + (own or 0), total)


@dataclass(frozen=True)
class Need:
    """What a picture of the model's own size takes, in the fastest mode that fits."""

    mode: MemoryMode
    bytes: int
    fits: bool


def need_of(
    description: ModelDescription, room: MemoryRoom, memory: int, dtype: DType = DType.AUTO
) -> Need:
    """What a model needs of `memory` bytes of this room, as the engine will choose it; on a CPU
    whole, where there is nowhere to move weights to."""
    if dtype is DType.AUTO:
        dtype = automatic_dtype(accelerator=room.on_gpu)
    native = description.native
    estimate = estimate_run(description, dtype, native.width or 512, native.height or 512)
    modes = tuple(MemoryMode) if room.on_gpu else (MemoryMode.FULL,)
    mode = fastest_mode(estimate, memory, modes)
    peak = estimate.peaks[mode]
    return Need(mode, peak, peak <= memory)


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
"""Models of the hub that a newcomer may want, largest first. The numbers of parameters are those
of diffusers' classes with these models' configs."""


def best_large_model(room: MemoryRoom) -> tuple[str, str]:
    """The largest model to download that fits, on a GPU whole or in parts; and how it fits. The
    smallest where none does and where there is no GPU."""
    needs = {name: need_of(each, room, room.total) for name, each in LARGE_MODELS.items()}
    smallest = next(reversed(needs))
    name = next((name for name, each in needs.items() if room.on_gpu and each.fits), smallest)
    need = needs[name]
    kind = "VRAM" if room.on_gpu else "RAM"
    size = f"{LARGE_MODELS[name].native.width} pixels"
    memory = f"{size}; {data_size(need.bytes)} of {data_size(room.total)} {kind}"
    if not need.fits:
        return name, f"{memory}: too little, but it can be tried"
    if not room.on_gpu:
        return name, f"{memory}; minutes a picture"
    return name, memory if need.mode is MemoryMode.FULL else f"{memory}, in parts"
