"""Looking at the hardware."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pynvml
import pytest

from sdtui.monitor import GpuSample, Monitor, Sample
from sdtui.monitor.nvidia import Nvidia

GIB = 2**30


def test_without_a_gpu_ram_and_cpu_are_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_driver() -> None:
        raise pynvml.NVMLError(pynvml.NVML_ERROR_DRIVER_NOT_LOADED)

    monkeypatch.setattr(pynvml, "nvmlInit", no_driver)
    sample = Monitor().sample()
    assert sample.gpus == ()
    assert 0 < sample.own_ram < sample.ram_used < sample.ram_total
    assert sample.memory[0] == "RAM"


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
