"""The memory that a model can have, from a sample of the monitor."""

from __future__ import annotations

from dataclasses import replace

from sdtui.models import MemoryBudget
from sdtui.monitor.sample import Sample


def memory_budget(sample: Sample, device: str = "auto") -> MemoryBudget:
    """What a sample says of a device, named as in the settings."""
    if device == "cpu":
        sample = replace(sample, gpus=())
    _, used, total, own = sample.memory
    return MemoryBudget(bool(sample.gpus), total - used + (own or 0), total)
