"""GPUs through NVML, the library behind nvidia-smi."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pynvml

from sdtui.monitor.sample import GpuSample


class Nvidia:
    """The GPUs that NVML sees. Without a driver there are none."""

    def __init__(self) -> None:
        self._handles: list[tuple[Any, str]] = []
        try:
            pynvml.nvmlInit()
        except pynvml.NVMLError:
            return
        for index in range(pynvml.nvmlDeviceGetCount()):
            handle = pynvml.nvmlDeviceGetHandleByIndex(index)
            name = pynvml.nvmlDeviceGetName(handle)
            self._handles.append((handle, name if isinstance(name, str) else name.decode()))

    def sample(self) -> tuple[GpuSample, ...]:
        """Every GPU as it is now; one that doesn't answer any more is left out."""
        samples = (
            _sample(index, handle, name) for index, (handle, name) in enumerate(self._handles)
        )
        return tuple(each for each in samples if each is not None)


def _sample(index: int, handle: Any, name: str) -> GpuSample | None:
    memory = _format(lambda: pynvml.nvmlDeviceGetMemoryInfo(handle))
    if memory is None:
        return None
    rates = _format(lambda: pynvml.nvmlDeviceGetUtilizationRates(handle))
    sensor = pynvml.NVML_TEMPERATURE_GPU
    milliwatts = _format(lambda: pynvml.nvmlDeviceGetPowerUsage(handle))
    return GpuSample(
        index=index,
        name=name,
        memory_used=int(memory.used),
        memory_total=int(memory.total),
        own_memory=_own_memory(handle),
        utilisation=None if rates is None else int(rates.gpu),
        temperature=_format(lambda: pynvml.nvmlDeviceGetTemperature(handle, sensor)),
        power=None if milliwatts is None else milliwatts / 1000,
    )


def _own_memory(handle: Any) -> int | None:
    processes = _format(lambda: pynvml.nvmlDeviceGetComputeRunningProcesses(handle))
    own = [each for each in processes or () if each.pid == os.getpid()]
    # In a container the driver may not tell, or tell the host's process numbers.
    return own[0].usedGpuMemory if own else None


def _format(ask: Callable[[], Any]) -> Any:
    """What the driver answers, or None where it doesn't support the question."""
    try:
        return ask()
    except pynvml.NVMLError:
        return None
