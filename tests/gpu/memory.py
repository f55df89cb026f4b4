"""Memory: each mode against its estimate, running out of it in every stage, and giving it back."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import partial

import torch

from sdtui.core.enums import DType, MemoryMode
from sdtui.engine.generator import RobustStableDiffusionGenerator, generate
from sdtui.requests.events import Event
from sdtui.requests.record import Stage
from tests.gpu.context import GIB, MIB, Check, Context
from tests.gpu.rows import Reading

LEFT_OVER = 160
"""MiB that may stay allocated: workspaces of cuBLAS and cuBLASLt, which belong to the process."""

_FILLERS = (8 * MIB, 2 * MIB, MIB, 2**16, 2**12, 512)
"""Bytes of the tensors that fill what the allocator has reserved, in its pool of large blocks and
in that of small ones."""


def checks() -> list[Check]:
    """Return rows for each memory mode, for each stage that runs out of memory, and for what is
    left afterwards."""
    modes = [mode for mode in MemoryMode if mode is not MemoryMode.AUTO]
    rows = []
    for family in ("sd1", "sdxl", "flux"):
        for mode in modes:
            gpu = mode is not MemoryMode.FULL
            name = f"{family} {mode}"
            run = partial(_peak, family, mode)
            rows.append(Check("memory: peak / estimate", name, run, needs_gpu=gpu))
    rows += [
        Check("out of memory", f"sd1 in {stage}", partial(_starved, stage), needs_gpu=True)
        for stage in Stage
        if stage is not Stage.UPSCALE  # which needs spandrel; its tiles shrink by themselves
    ]
    rows.append(Check("out of memory", "sd1 in decode, twice", _starved_twice, needs_gpu=True))
    rows.append(Check("memory given back", "sd1 unloaded", _left_after_unloading, needs_gpu=True))
    return rows


def _peak(family: str, mode: MemoryMode, context: Context) -> Reading:
    context.drop_plain()
    dtype = DType.BFLOAT16 if family == "flux" else DType.FLOAT16
    request = context.request(family, dtype, memory_mode=mode)
    engine = context.engine()
    generate(engine, request)
    started = time.perf_counter()
    record = generate(engine, request.changed(seed=43)).record
    seconds = time.perf_counter() - started
    assert record.memory is not None
    peak, estimate = record.memory.peak, record.memory.estimate
    assert peak is not None
    assert estimate is not None
    detail = f"{peak / GIB:.2f} of {estimate / GIB:.2f} GiB, {seconds:.2f} s a picture"
    if context.device.torch.type == "cuda":  # with what the allocator's fragments waste
        reserved = torch.cuda.max_memory_reserved(context.device.torch)
        detail += f", {reserved / GIB:.2f} GiB reserved"
    if context.dry:
        return Reading(peak / estimate, detail=detail)
    return Reading(peak / estimate, least=0.6, most=1.0, detail=detail)


@dataclass
class _Starvation:
    """Leaves the allocator nothing when a stage begins, until the next attempt."""

    context: Context
    stage: Stage
    times: int = 1
    fillers: list[torch.Tensor] = field(default_factory=list)

    def report(self, event: Event) -> None:
        """Follow a run's events."""
        if event.kind == "stage" and event.stage is self.stage and self.times:
            self.times -= 1
            self._limit()
        elif event.kind == "attempt" and not self.times:
            self.lift()

    def lift(self) -> None:
        """Take the limit away."""
        self.fillers.clear()
        torch.cuda.set_per_process_memory_fraction(1.0, self.context.device.torch)

    def _limit(self) -> None:
        """Allow no more than is reserved already, and fill that: a small stage would fit into its
        gaps."""
        device = self.context.device.torch
        torch.cuda.empty_cache()
        total = torch.cuda.get_device_properties(device).total_memory
        reserved = torch.cuda.memory_reserved(device)
        torch.cuda.set_per_process_memory_fraction(max(reserved, MIB) / total, device)
        for size in _FILLERS:
            while self._fill(size):
                pass

    def _fill(self, size: int) -> bool:
        try:
            filler = torch.empty(size, dtype=torch.uint8, device=self.context.device.torch)
        except torch.OutOfMemoryError:
            return False
        self.fillers.append(filler)
        return True


def _starved(stage: Stage, context: Context, times: int = 1) -> Reading:
    """Run with too little memory in one stage; returns the number of attempts."""
    context.drop_plain()
    engine = context.engine()
    engine.unload()
    starvation = _Starvation(context, stage, times)
    request = context.request("sd1", memory_mode=MemoryMode.AUTO)
    if stage is Stage.PREPARE:  # only what starts from a picture is prepared
        request = request.changed(hires_scale=1.5, hires_upscaler="Lanczos")
    try:
        result = RobustStableDiffusionGenerator(engine).generate_with_fallback(
            request, report=starvation.report
        )
    finally:
        starvation.lift()
    attempts = result.record.attempts
    failed = [f"{each.stage}: {each.error}"[:60] for each in attempts if each.error]
    changes = [each.changes for each in attempts if each.changes]
    if result.error is not None:
        return Reading(None, "attempts", least=2, detail=str(result.error))
    detail = "; ".join([*changes, *failed])
    return Reading(len(attempts), "attempts", least=1 + times, detail=detail)


def _starved_twice(context: Context) -> Reading:
    return _starved(Stage.DECODE, context, times=2)


def _left_after_unloading(context: Context) -> Reading:
    context.drop_plain()
    engine = context.engine()
    engine.unload()
    generate(engine, context.request("sd1"))
    engine.unload()
    return Reading(context.allocated() / MIB, "MiB", most=LEFT_OVER)
