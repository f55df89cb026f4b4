"""GPUs through NVML, the library behind nvidia-smi."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pynvml

from sdtui.monitor.own_processes import own_processes
from sdtui.monitor.sample import GpuSample


class Nvidia:
    """The GPUs that NVML knows; none without a driver."""

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
        """A sample of every GPU that still responds."""
        samples = (
            _sample(index, handle, name) for index, (handle, name) in enumerate(self._handles)
        )
        return tuple(each for each in samples if each is not None)


def _sample(index: int, handle: Any, name: str) -> GpuSample | None:
    memory = _query(lambda: pynvml.nvmlDeviceGetMemoryInfo(handle))
    if memory is None:
        return None
    rates = _query(lambda: pynvml.nvmlDeviceGetUtilizationRates(handle))
    sensor = pynvml.NVML_TEMPERATURE_GPU
    milliwatts = _query(lambda: pynvml.nvmlDeviceGetPowerUsage(handle))
    return GpuSample(
        index=index,
        name=name,
        memory_used=int(memory.used),
        memory_total=int(memory.total),
        own_memory=_own_memory(handle),
        utilisation=None if rates is None else int(rates.gpu),
        temperature=_query(lambda: pynvml.nvmlDeviceGetTemperature(handle, sensor)),
        power=None if milliwatts is None else milliwatts / 1000,
    )


def _own_memory(handle: Any) -> int | None:
    processes = _query(lambda: pynvml.nvmlDeviceGetComputeRunningProcesses(handle))
    ours = {each.pid for each in own_processes()}
    own = [each.usedGpuMemory for each in processes or () if each.pid in ours]
    # In a container the driver may report nothing, or the process ids of the host.
    return None if not own or None in own else sum(own)


def _query(function: Callable[[], Any]) -> Any:
    """The result of an NVML function, or None if the driver doesn't support it."""
    try:
        return function()
    except pynvml.NVMLError:
        return None
