"""What the hardware is doing: GPUs through NVML, and RAM and CPU."""

from sdtui.monitor.monitor import Monitor
from sdtui.monitor.sample import GpuSample, Sample

__all__ = ["GpuSample", "Monitor", "Sample"]
