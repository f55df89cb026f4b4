"""The memory that a model can have, from a sample."""

from __future__ import annotations

from sdtui.models import MemoryBudget
from sdtui.monitor import GpuSample, Sample, memory_budget

GIB = 2**30


def test_budget_is_that_of_the_device_in_the_settings() -> None:
    gpus = (GpuSample(0, "a", GIB, 8 * GIB), GpuSample(1, "b", GIB, 24 * GIB, own_memory=GIB))
    sample = Sample(0.0, 2 * GIB, 64 * GIB, GIB, 5.0, gpus)
    assert memory_budget(sample) == MemoryBudget(True, 24 * GIB, 24 * GIB)
    assert memory_budget(sample, "cpu") == MemoryBudget(False, 63 * GIB, 64 * GIB)
