"""Make stages of a real pipeline fail, by hooks in its modules."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from sdtui.engine.loaded import LoadedModel
from sdtui.requests.record import Stage


def cuda_out_of_memory() -> Exception:
    """The error that torch's CUDA allocator raises."""
    return torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")


class Fault:
    """Raises in the first `times` passes and counts all passes."""

    def __init__(self, times: int, make: Callable[[], Exception] = cuda_out_of_memory) -> None:
        self.times = times
        self.passes = 0
        self._make = make

    def __call__(self, *_: Any, **__: Any) -> None:
        self.passes += 1
        if self.passes <= self.times:
            raise self._make()


def module_of(model: LoadedModel, stage: Stage) -> torch.nn.Module:
    """The module that every run of a stage calls."""
    pipeline = model.pipeline
    modules: dict[Stage, torch.nn.Module] = {
        Stage.ENCODE: pipeline.text_encoder,
        Stage.PREPARE: pipeline.vae.encoder,
        Stage.DENOISE: model.denoiser,
        Stage.DECODE: pipeline.vae.decoder,
    }
    return modules[stage]


@contextmanager
def failing(model: LoadedModel, stage: Stage, fault: Fault) -> Iterator[Fault]:
    """Make a stage of a loaded model fail."""
    handle = module_of(model, stage).register_forward_pre_hook(fault)
    try:
        yield fault
    finally:
        handle.remove()
