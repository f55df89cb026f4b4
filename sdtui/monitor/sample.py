"""One look at the hardware, as plain data. Memory is in bytes, shares are from 0 to 100."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class GpuSample:
    """One GPU. What a driver doesn't tell is None."""

    index: int
    name: str
    memory_used: int
    memory_total: int
    own_memory: int | None = None
    """What this process holds."""
    utilisation: int | None = None
    temperature: int | None = None
    """Degrees Celsius."""
    power: float | None = None
    """Watts."""


@dataclass(frozen=True)
class Sample:
    """The machine at one moment."""

    time: float
    """Seconds since the epoch."""
    ram_used: int
    ram_total: int
    own_ram: int
    """What this process holds."""
    cpu: float
    """Of all cores together."""
    gpus: tuple[GpuSample, ...] = ()

    @property
    def gpu(self) -> GpuSample | None:
        """The GPU that a person watches: that which this process uses most, or the first."""
        return max(self.gpus, key=lambda each: each.own_memory or 0, default=None)

    @property
    def memory(self) -> tuple[str, int, int, int | None]:
        """What a person watches: "VRAM" of that GPU, else "RAM"; then used, total and this
        process's share of it."""
        gpu = self.gpu
        if gpu is None:
            return "RAM", self.ram_used, self.ram_total, self.own_ram
        return "VRAM", gpu.memory_used, gpu.memory_total, gpu.own_memory
