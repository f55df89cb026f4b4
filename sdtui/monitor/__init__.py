"""Load of the hardware: GPUs through NVML or torch, RAM and CPU."""

from sdtui.monitor.budget import memory_budget
from sdtui.monitor.monitor import Monitor
from sdtui.monitor.sample import GpuSample, Sample

__all__ = ["GpuSample", "Monitor", "Sample", "memory_budget"]
