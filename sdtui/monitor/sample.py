"""Samples of the hardware. Memory is in bytes, load in percent."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class GpuSample:
    """A GPU; values that the driver doesn't report are None."""

    index: int
    name: str
    memory_used: int
    memory_total: int
    own_memory: int | None = None
    """Memory of this process and of its workers'."""
    utilisation: int | None = None
    temperature: int | None = None
    """Degrees Celsius."""
    power: float | None = None
    """Watts."""


@dataclass(frozen=True)
class Sample:
    """The machine at one time."""

    time: float
    """Seconds since the epoch."""
    ram_used: int
    ram_total: int
    own_ram: int
    """RAM of this process and of its workers'."""
    cpu: float
    """Average of all cores."""
    gpus: tuple[GpuSample, ...] = ()

    @property
    def gpu(self) -> GpuSample | None:
        """The GPU that sdtui uses most, or the first, or None."""
        return max(self.gpus, key=lambda each: each.own_memory or 0, default=None)

    @property
    def memory(self) -> tuple[str, int, int, int | None]:
        """The kind of memory ("VRAM" of `gpu`, else "RAM"), and its used, total and own bytes."""
        gpu = self.gpu
        if gpu is None:
            return "RAM", self.ram_used, self.ram_total, self.own_ram
        return "VRAM", gpu.memory_used, gpu.memory_total, gpu.own_memory
