"""Benchmark reports for tests."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sdtui.bench.report import BenchReport, CellResult, Machine, Measurement

MACHINE = Machine(
    device="cpu", name="A CPU", cores=2, threads=2, memory=8 * 2**30, system="Linux x86_64"
)


def cell(seconds: list[float], *, steps: int = 20, **values: Any) -> CellResult:
    """A cell with runs of these seconds."""
    samples = tuple(
        Measurement(
            seconds=each,
            stages={"encode": 0.1, "denoise": each - 0.2, "decode": 0.1},
            it_per_second=steps / (each - 0.2),
            peak=3 * 2**29,
            batch_size=1,
        )
        for each in seconds
    )
    given = {"prompt": "a cat", "width": 512, "height": 512, "samples": samples, **values}
    return CellResult(num_inference_steps=steps, **given)


def report(
    *cells: CellResult, settings: Mapping[str, Any] | None = None, **values: Any
) -> BenchReport:
    """A report of these cells."""
    used = {"model": "pocket", "dtype": "float32", "memory_mode": "full", **(settings or {})}
    given = {
        "timestamp": datetime(2026, 11, 25, tzinfo=UTC),
        "machine": MACHINE,
        "versions": {"sdtui": "1", "torch": "2"},
        "settings": used,
        "runs": 2,
        **values,
    }
    return BenchReport(cells=cells, **given)
