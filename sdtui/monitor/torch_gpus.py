"""GPUs that NVML doesn't know, AMD's and Apple's, once the engine computes on them."""

from __future__ import annotations

import sys
from typing import Any

from sdtui.monitor.sample import GpuSample


def torch_gpus() -> tuple[GpuSample, ...]:
    """Return a sample of every GPU that torch holds memory of in this process; none before torch
    is imported. Asked for another one, torch would occupy it."""
    try:
        return (
            *_through_cuda(sys.modules.get("torch.cuda")),
            *_apple(sys.modules.get("torch.mps")),
        )
    except RuntimeError:  # the GPU computes no more, or another thread is importing torch
        return ()


def _through_cuda(cuda: Any) -> tuple[GpuSample, ...]:
    """Return the GPUs of CUDA and ROCm, which has the same interface."""
    if not getattr(cuda, "is_initialized", bool)():
        return ()
    return tuple(
        _sample(index, cuda.get_device_name(index), cuda.mem_get_info(index), own)
        for index in range(cuda.device_count())
        if (own := cuda.memory_reserved(index))
    )


def _sample(index: int, name: str, memory: tuple[int, int], own: int) -> GpuSample:
    free, total = memory
    return GpuSample(index, name, memory_used=total - free, memory_total=total, own_memory=own)


def _apple(mps: Any) -> tuple[GpuSample, ...]:
    """Return Apple's GPU; what other processes use of its memory is unknown."""
    if sys.platform != "darwin" or not hasattr(mps, "recommended_max_memory"):
        return ()
    own = mps.driver_allocated_memory()
    total = mps.recommended_max_memory()
    return (_sample(0, "Apple GPU", (total - own, total), own),) if own else ()
