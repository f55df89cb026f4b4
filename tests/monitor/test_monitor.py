"""Looking at the hardware."""

from __future__ import annotations

import sys
import threading
from types import ModuleType, SimpleNamespace
from typing import Any

import pynvml
import pytest

from sdtui.monitor import GpuSample, Monitor, Sample
from sdtui.monitor.nvidia import Nvidia
from sdtui.monitor.torch_gpus import torch_gpus

GIB = 2**30


def test_without_a_gpu_ram_and_cpu_are_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_driver() -> None:
        raise pynvml.NVMLError(pynvml.NVML_ERROR_DRIVER_NOT_LOADED)

    monkeypatch.setattr(pynvml, "nvmlInit", no_driver)
    sample = Monitor().sample()
    assert sample.gpus == ()
    assert 0 < sample.own_ram < sample.ram_used < sample.ram_total
    assert sample.memory[0] == "RAM"


class _Cuda:
    """Two GPUs of AMD; this process uses the second."""

    def __init__(self, *, begun: bool = True, lost: bool = False) -> None:
        self.is_initialized = lambda: begun
        self.device_count = lambda: 2
        self.memory_reserved = lambda index: index * GIB
        self.get_device_name = lambda index: f"Radeon {index}"
        self._lost = lost

    def mem_get_info(self, index: int) -> tuple[int, int]:
        assert index == 1, "asking would occupy the other one"
        if self._lost:
            raise RuntimeError("HIP error: unspecified launch failure")
        return 6 * GIB, 8 * GIB


def test_gpu_that_nvml_does_not_know_is_sampled_once_torch_uses_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sdtui.monitor.nvidia.Nvidia.sample", lambda _: ())
    used = GpuSample(1, "Radeon 1", memory_used=2 * GIB, memory_total=8 * GIB, own_memory=GIB)
    for module, gpus in {
        _Cuda(): (used,),
        _Cuda(begun=False): (),
        _Cuda(lost=True): (),
        ModuleType("torch.cuda"): (),  # still being imported
    }.items():
        monkeypatch.setitem(sys.modules, "torch.cuda", module)
        assert Monitor().sample().gpus == gpus


def test_gpu_of_apple_is_sampled_once_torch_uses_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sdtui.monitor.nvidia.Nvidia.sample", lambda _: ())
    monkeypatch.setattr(sys, "platform", "darwin")
    mps: Any = ModuleType("torch.mps")
    mps.driver_allocated_memory = lambda: 3 * GIB
    mps.recommended_max_memory = lambda: 12 * GIB
    monkeypatch.setitem(sys.modules, "torch.mps", mps)
    (gpu,) = torch_gpus()
    assert (gpu.memory_used, gpu.memory_total, gpu.own_memory) == (3 * GIB, 12 * GIB, 3 * GIB)


def test_every_gpu_is_sampled_and_missing_values_are_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def unsupported(*_: object) -> None:
        raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)

    answers = {
        "nvmlInit": lambda: None,
        "nvmlDeviceGetCount": lambda: 2,
        "nvmlDeviceGetHandleByIndex": lambda index: index,
        "nvmlDeviceGetName": lambda index: f"GPU {index}",
        "nvmlDeviceGetMemoryInfo": lambda index: SimpleNamespace(used=index * GIB, total=8 * GIB),
        "nvmlDeviceGetUtilizationRates": lambda _: SimpleNamespace(gpu=97),
        "nvmlDeviceGetTemperature": lambda *_: 61,
        "nvmlDeviceGetPowerUsage": unsupported,
        "nvmlDeviceGetComputeRunningProcesses": unsupported,
    }
    for name, answer in answers.items():
        monkeypatch.setattr(pynvml, name, answer)
    assert Nvidia().sample()[1] == GpuSample(
        index=1,
        name="GPU 1",
        memory_used=GIB,
        memory_total=8 * GIB,
        utilisation=97,
        temperature=61,
    )


def test_memory_is_that_of_the_gpu_in_use() -> None:
    gpus = (GpuSample(0, "a", GIB, 8 * GIB), GpuSample(1, "b", 2 * GIB, 8 * GIB, own_memory=GIB))
    sample = Sample(0.0, 1, 2, 1, 0.0, gpus)
    assert sample.memory == ("VRAM", 2 * GIB, 8 * GIB, GIB)


def test_samples_come_until_the_monitor_is_stopped() -> None:
    came = threading.Event()
    monitor = Monitor(interval=0.01)
    monitor.start(lambda _: came.set())
    assert came.wait(10)
    monitor.stop()
